"""docs/reference/metrics.md: every metric with its kind, unit and labels."""

from collections.abc import Iterable

from gateway.telemetry import catalogue
from gateway.telemetry.catalogue import Metric
from reference.tables import page, paragraph, table


def text() -> str:
    """Return the page."""
    return page(
        "# Metrics",
        paragraph(
            "Every metric of `gateway serve --metrics HOST:PORT`. How they are served, what several "
            "workers add up to, and the board for Grafana: [Observe](../guides/observe.md). Counters of "
            "an engine begin at 0 when the engine is started again, as Prometheus expects of a counter."
        ),
        "## Counted in every worker",
        _rows(catalogue.COUNTED),
        "## Read when Prometheus asks",
        _rows(catalogue.READ),
    )


def _rows(metrics: Iterable[Metric]) -> str:
    return table(
        ("metric", "kind", "unit", "labels", "meaning"),
        (
            (f"`{m.name}`", m.kind, m.unit, ", ".join(f"`{label}`" for label in m.labels), m.help)
            for m in metrics
        ),
    )
