"""The board asks for nothing that is not there, and leaves no metric out."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, rpc_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics, rpc_metrics
from opentelemetry.semconv.attributes import error_attributes, http_attributes
from opentelemetry.semconv.metrics import http_metrics
from prometheus_client.core import REGISTRY
from ruamel.yaml import YAML

from gateway.telemetry import catalogue
from gateway.telemetry.catalogue import Metric, all_metrics
from tests.support.repository import ROOT

DASHBOARDS = ROOT / "docs" / "dashboards"
BOARD = json.loads((DASHBOARDS / "gateway.json").read_text(encoding="utf-8"))
FUNCTIONS = {"sum", "rate", "increase", "histogram_quantile", "topk", "bottomk", "min", "max", "by"}
GIVEN_BY_PROMETHEUS = {"le", "job", "instance"}
SERIES = {name: metric for metric in all_metrics() for name in metric.series}


def _queries() -> Iterator[tuple[str, str]]:
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def strangers(query: str) -> list[str]:
    """Return what a query names that is no metric, and what it asks of a metric that has no such label."""
    found = []
    bare = re.sub(r"\[[^\]]*\]", "", query)
    labels = set(re.findall(r'([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"', bare))
    for group in re.findall(r"\bby\s*\(([^)]*)\)", bare):
        labels |= {label.strip() for label in group.split(",")}
    bare = re.sub(r"\{[^}]*\}", "", re.sub(r"\bby\s*\([^)]*\)", "", bare))
    named = set(re.findall(r"[a-zA-Z_:][\w:]*", bare)) - FUNCTIONS
    found += sorted(name for name in named if name not in SERIES)
    for name in sorted(named & SERIES.keys()):
        found += sorted(f"{name}: {label}" for label in labels - {*SERIES[name].labels, *GIVEN_BY_PROMETHEUS})
    return found


@pytest.mark.parametrize(("title", "query"), list(_queries()))
def test_every_query_of_the_board_names_what_exists(title: str, query: str) -> None:
    """Each query names metrics and labels of the definitions."""
    assert strangers(query) == []


def test_the_check_of_queries_can_fail() -> None:
    """A metric that is not there, a label that it has not, and a series of another kind are found."""
    assert strangers("sum (rate(gateway_request_total[5m]))") == ["gateway_request_total"]
    assert strangers("sum by (colour) (gateway_workers)") == ["gateway_workers: colour"]
    assert strangers('sum (gateway_workers{colour="red"})') == ["gateway_workers: colour"]
    assert strangers("histogram_quantile(0.5, rate(gateway_overhead_seconds[5m]))") == [
        "gateway_overhead_seconds"
    ]


def test_every_metric_is_on_the_board() -> None:
    """No metric is counted that nobody would see."""
    shown = " ".join(query for _, query in _queries())
    assert [m.name for m in all_metrics() if not any(name in shown for name in m.series)] == []


def _panels_overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_no_panel_lies_on_another() -> None:
    """The places of panels do not overlap, and their numbers are their own."""
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    assert not [
        (one, other)
        for index, one in enumerate(places)
        for other in places[index + 1 :]
        if _panels_overlap(one, other)
    ]
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.yml")), ids=lambda path: path.name)
def test_files_for_the_stack_are_yaml(path: Path) -> None:
    """Prometheus and Grafana can read what lies beside the board."""
    assert YAML(typ="safe").load(path)


def _prometheus_name(name: str, unit: str) -> str:
    return name.replace(".", "_") + ("_seconds" if unit == "s" else "")


SEMCONV = {
    _prometheus_name(value, "" if value.endswith("usage") else "s")
    for module in (gen_ai_metrics, http_metrics, rpc_metrics)
    for value in vars(module).values()
    if isinstance(value, str)
}


@pytest.mark.parametrize(
    "metric", [m for m in all_metrics() if not m.name.startswith("gateway_")], ids=lambda m: m.name
)
def test_names_of_opentelemetry_are_opentelemetrys(metric: Metric) -> None:
    """A metric without our prefix has a name and labels of the conventions, but for `model` and `route`."""
    assert metric.name in SEMCONV
    known = {
        str(value).replace(".", "_")
        for module in (gen_ai_attributes, http_attributes, rpc_attributes, error_attributes)
        for value in vars(module).values()
    }
    assert set(metric.labels) - {"model", "route"} <= known


def test_definitions_are_consistent() -> None:
    """Names are unique, end as Prometheus wants them to, and buckets ascend."""
    metrics = list(all_metrics())
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert {m.name for m in vars(catalogue).values() if isinstance(m, Metric)} == {m.name for m in metrics}
    for metric in metrics:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert list(metric.buckets) == sorted(set(metric.buckets)), metric.name
        assert metric.help.endswith("."), metric.name


def test_nothing_is_registered_for_the_whole_process() -> None:
    """Two gateways in one process do not share numbers: the library's global registry has none of ours."""
    ours = {metric.name for metric in all_metrics()}
    assert not ours & {sample.name for family in REGISTRY.collect() for sample in family.samples}
