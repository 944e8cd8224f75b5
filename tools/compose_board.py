"""Metrics, Prometheus and Grafana, for tools/compose_test.py: do the queries of the board have answers?"""

import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compose_engine import ROOT, Engine
from compose_report import Report, wait_for

BOARD = ROOT / "docs" / "dashboards" / "gateway.json"
SCRAPE = ROOT / "docs" / "dashboards" / "prometheus.yml"
PROMETHEUS_PORT, GRAFANA_PORT = "9990", "3990"
"""Of this host, apart from those of a stack that may be up."""
ROUTES = {"LOCAL", "CLOUD", "CANNED"}


@contextmanager
def prometheus(engine: Engine, gateway: str, services: Sequence[str]) -> Iterator[str | None]:
    """Yield where a Prometheus reads the container `gateway`: the stack's, an installed one, or none."""
    if "prometheus" in services:
        yield f"http://127.0.0.1:{PROMETHEUS_PORT}"
        return
    program = shutil.which("prometheus")
    if program is None:
        yield None
        return
    networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = engine.run("inspect", "--format", networks, gateway).strip()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "prometheus.yml"
        config.write_text(SCRAPE.read_text(encoding="utf-8").replace("gateway:9464", f"{address}:9464"))
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{PROMETHEUS_PORT}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def get(url: str) -> dict[str, Any]:
    """Return a page of JSON from this host; raises OSError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        read: dict[str, Any] = json.load(answer)
    return read


def ask(server: str, query: str) -> list[dict[str, Any]]:
    """Return the series that answer a query; raises OSError for one that Prometheus refuses."""
    series: list[dict[str, Any]] = get(f"{server}/api/v1/query?{urllib.parse.urlencode({'query': query})}")[
        "data"
    ]["result"]
    return series


def has_data(server: str, query: str) -> bool:
    """Say whether a query has an answer already; False while nobody listens yet."""
    try:
        return bool(ask(server, query))
    except (ConnectionError, urllib.error.URLError):
        return False


def queries() -> Iterator[tuple[str, str]]:
    """Yield panel and expression of every query of the board, as Grafana would send it."""
    for panel in json.loads(BOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def check_board(server: str, report: Report) -> None:
    """Put every query of the board to Prometheus."""
    wait_for("Prometheus reads the gateway", lambda: has_data(server, 'up{job="gateway"} == 1'))
    wait_for("two readings", lambda: has_data(server, "rate(gateway_requests_total[1m])"))
    asked = list(queries())
    answers = {(title, query): ask(server, query) for title, query in asked}
    empty = sorted({title for (title, _), series in answers.items() if not series})
    report.check("Prometheus takes every query of the board", len(answers) > 0, f"{len(asked)} queries")
    print(f"        no data yet: {', '.join(empty) or 'none'}")
    report.check("most of them have data", len(empty) < len({title for title, _ in asked}) / 2)
    routes = {
        series["metric"].get("route") for series in ask(server, "sum by (route) (gateway_requests_total)")
    }
    report.check("Prometheus knows every route", routes >= ROUTES, ", ".join(sorted(routes)))


def check_grafana(report: Report) -> None:
    """See that Grafana has the board and reaches Prometheus through it."""
    server = f"http://127.0.0.1:{GRAFANA_PORT}"

    def is_up() -> bool:
        try:
            return get(f"{server}/api/health").get("database") == "ok"
        except OSError:
            return False

    wait_for("Grafana is up", is_up)
    uid = json.loads(BOARD.read_text(encoding="utf-8"))["uid"]
    report.check("Grafana has the board", "dashboard" in get(f"{server}/api/dashboards/uid/{uid}"))
