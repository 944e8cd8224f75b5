"""docs/dashboards/gateway.json: a board for Grafana, from the metrics' definitions."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.telemetry import catalogue as d
from gateway.telemetry.catalogue import Metric

WINDOW = "[$__rate_interval]"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
Query = tuple[str, str]
"""An expression and the legend of what it gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture of the board."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    text: str = ""
    is_stacked: bool = False


def rate(metric: Metric, *by: str, part: str = "", where: str = "") -> str:
    """Return the sum of a counter's rates, by labels; `part` is one of a histogram's series."""
    return f"{_sum(by)} (rate({metric.name}{part}{_where(where)}{WINDOW}))"


def quantile(share: float, metric: Metric, *by: str, where: str = "") -> str:
    """Return a quantile of a histogram."""
    return f"histogram_quantile({share}, {rate(metric, 'le', *by, part='_bucket', where=where)})"


def value(metric: Metric, *by: str, where: str = "") -> str:
    """Return a gauge."""
    return f"{_sum(by)} ({metric.name}{_where(where)})"


def _sum(by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"


def _where(matchers: str) -> str:
    return f"{{{matchers}}}" if matchers else ""


def quantiles(metric: Metric, *by: str, where: str = "") -> tuple[Query, ...]:
    """Return the median and the 99th percentile."""
    name = " ".join(f"{{{{{label}}}}}" for label in by)
    return tuple(
        (quantile(share, metric, *by, where=where), f"{name} {shown}".strip())
        for share, shown in ((0.5, "p50"), (0.99, "p99"))
    )


CALLED = 'method!="Explain"'
ANSWERED = f'code="OK",route!="CANNED",{CALLED}'
DIFFERS = 'differs="true"'
ROWS: dict[str, tuple[Panel, ...]] = {
    "Calls": (
        Panel(
            title="Calls a second, by route",
            queries=((rate(d.REQUESTS, "route", where=CALLED), "{{route}}"),),
            unit="reqps",
            is_stacked=True,
            text="An empty route is a call that got no answer.",
        ),
        Panel(
            title="Errors and canned replies, by reason",
            queries=((rate(d.REQUESTS, "code", "reason", where='reason!=""'), "{{code}} {{reason}}"),),
            unit="reqps",
        ),
        Panel(
            title="Share of calls that a model answered",
            queries=((f"{rate(d.REQUESTS, where=ANSWERED)} / {rate(d.REQUESTS, where=CALLED)}", "answered"),),
            unit="percentunit",
        ),
        Panel(
            title="Calls a second, by class",
            queries=((rate(d.REQUESTS, "privacy_class", where=CALLED), "{{privacy_class}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            title="Calls a second, by tenant",
            queries=((f"topk(10, {rate(d.REQUESTS, 'tenant')})", "{{tenant}}"),),
            unit="reqps",
        ),
        Panel(
            title="Calls in flight, and workers",
            queries=((value(d.IN_FLIGHT), "in flight"), (value(d.WORKERS), "workers")),
        ),
    ),
    "Time": (
        Panel(
            title="Whole call",
            queries=(*quantiles(d.CALL_S, "rpc_method"), *quantiles(d.HTTP_CALL_S, "http_route")),
            unit="s",
        ),
        Panel(
            title="To the first token, as callers see it",
            queries=quantiles(d.FIRST_TEXT_S, "route"),
            unit="s",
        ),
        Panel(title="Per token", queries=quantiles(d.PER_OUTPUT_TOKEN_S, "model"), unit="s"),
        Panel(title="Of which the gateway itself", queries=quantiles(d.OVERHEAD_S, "method"), unit="s"),
        Panel(title="Of which scoring and deciding", queries=quantiles(d.DECISION_S), unit="s"),
        Panel(title="One call to a model", queries=quantiles(d.OPERATION, "model"), unit="s"),
    ),
    "Models": (
        Panel(
            title="Tries a second, by how they ended",
            queries=((rate(d.ATTEMPTS, "model", "outcome", "reason"), "{{model}} {{outcome}} {{reason}}"),),
            unit="ops",
        ),
        Panel(title="Retries a second", queries=((rate(d.RETRIES, "model"), "{{model}}"),), unit="ops"),
        Panel(
            title="Breakers that are not closed",
            queries=((value(d.BREAKERS, "model", "state", where='state!="closed"'), "{{model}} {{state}}"),),
            text="In workers.",
        ),
        Panel(
            title="To the first text, from a model",
            queries=quantiles(d.FIRST_CHUNK_S, "model"),
            unit="s",
        ),
        Panel(
            title="Tokens a second",
            queries=(
                (
                    rate(d.TOKEN_USAGE, "model", "gen_ai_token_type", part="_sum"),
                    "{{model}} {{gen_ai_token_type}}",
                ),
            ),
        ),
        Panel(
            title="Calls of tools a second",
            queries=((rate(d.TOOL_CALLS, "model", "outcome"), "{{model}} {{outcome}}"),),
            unit="ops",
        ),
    ),
    "Money": (
        Panel(
            title="Dollars an hour, by model",
            queries=((f"3600 * {rate(d.COST, 'model')}", "{{model}}"),),
            unit="currencyUSD",
            is_stacked=True,
        ),
        Panel(
            title="Dollars an hour, by tenant",
            queries=((f"topk(10, 3600 * {rate(d.COST, 'tenant')})", "{{tenant}}"),),
            unit="currencyUSD",
        ),
        Panel(
            title="Left of budgets, the least",
            queries=(
                (f"bottomk(10, min by (budget, subject) ({d.BUDGET_LEFT.name}))", "{{budget}} {{subject}}"),
                (f"max by (budget) ({d.BUDGET_LIMIT.name})", "{{budget}} (the cap)"),
            ),
            unit="currencyUSD",
        ),
    ),
    "Engines": (
        Panel(
            title="Slots",
            queries=((value(d.SLOTS, "model", "state"), "{{model}} {{state}}"),),
            is_stacked=True,
        ),
        Panel(title="Waiting for a slot", queries=((value(d.QUEUED, "model"), "{{model}}"),)),
        Panel(title="Wait for a slot", queries=quantiles(d.QUEUE_S, "model"), unit="s"),
        Panel(
            title="Engine: to the first token",
            queries=quantiles(d.SERVER_FIRST_TOKEN_S, "model"),
            unit="s",
        ),
        Panel(title="Engine: per token", queries=quantiles(d.SERVER_PER_TOKEN_S, "model"), unit="s"),
        Panel(title="Sequences in a step", queries=quantiles(d.BATCH, "model")),
        Panel(
            title="Tokens a second, by kind",
            queries=((rate(d.ENGINE_TOKENS, "model", "type"), "{{model}} {{type}}"),),
        ),
        Panel(
            title="Steps a second, and the share of time inside llama.cpp",
            queries=(
                (rate(d.ENGINE_STEPS, "model"), "{{model}} steps"),
                (rate(d.ENGINE_STEP_S, "model", where='part="decode"'), "{{model}} seconds in a second"),
            ),
        ),
        Panel(
            title="KV cache",
            queries=((value(d.KV_CELLS, "model", "state"), "{{model}} {{state}}"),),
            is_stacked=True,
        ),
        Panel(title="Kept prompts", queries=((value(d.PREFIX_CACHE, "model"), "{{model}}"),), unit="bytes"),
        Panel(
            title="Requests, by how they ended",
            queries=((rate(d.ENGINE_REQUESTS, "model", "outcome"), "{{model}} {{outcome}}"),),
            unit="reqps",
        ),
        Panel(
            title="Up, starts, and seconds to load",
            queries=(
                (value(d.ENGINE_UP, "model"), "{{model}} up"),
                (value(d.ENGINE_STARTS, "model"), "{{model}} starts"),
                (value(d.ENGINE_LOAD_S, "model"), "{{model}} seconds to load"),
            ),
        ),
    ),
    "The gateway": (
        Panel(
            title="Reloads of the policy",
            queries=((f"{_sum(('outcome',))} (increase({d.RELOADS.name}{WINDOW}))", "{{outcome}}"),),
        ),
        Panel(
            title="What a shadow policy would do otherwise",
            queries=(
                (
                    f"{rate(d.SHADOW_DECISIONS, where=DIFFERS)} / {rate(d.SHADOW_DECISIONS)}",
                    "share of requests",
                ),
            ),
            unit="percentunit",
        ),
        Panel(
            title="Requests drawn to be answered twice",
            queries=((f"{_sum(('result',))} (increase({d.MIRRORED.name}{WINDOW}))", "{{result}}"),),
        ),
        Panel(
            title="What second answers cost a second",
            queries=((rate(d.MIRROR_COST, "model"), "{{model}}"),),
            unit="currencyUSD",
        ),
        Panel(
            title="Requests that the cache answered, joined or missed",
            queries=((rate(d.CACHE_LOOK_UPS, "result"), "{{result}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(title="Kept answers", queries=((value(d.CACHE_BYTES), "in memory"),), unit="bytes"),
        Panel(
            title="Records lost, and starts of workers",
            queries=(
                (f"sum (increase({d.RECORD_ERRORS.name}{WINDOW}))", "records lost"),
                (f"sum (increase({d.WORKER_STARTS.name}{WINDOW}))", "starts of workers"),
            ),
        ),
    ),
}


def text() -> str:
    """Return the file."""
    return json.dumps(board(), indent=1) + "\n"


def board() -> dict[str, object]:
    """Return the board as Grafana reads it."""
    return {
        "uid": "edge-cloud-gateway",
        "title": "Edge/cloud gateway",
        "tags": ["llm", "gateway"],
        "schemaVersion": 39,
        "timezone": "",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "current": {},
                }
            ]
        },
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, object]]:
    number, top = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
        }
        top += 1
        left = 0
        for panel in panels:
            if left + panel.width > 24:
                left, top = 0, top + 8
            number += 1
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": 8})
            left += panel.width
        top += 8


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, object]:
    custom: dict[str, object] = {"fillOpacity": 20 if panel.is_stacked else 0, "showPoints": "never"}
    if panel.is_stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "gridPos": place,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend}
            for index, (expr, legend) in enumerate(panel.queries)
        ],
    }
