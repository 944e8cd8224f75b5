"""Structured logs: set up once at start, one canonical line per request."""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Literal, TextIO

import structlog

from gateway.domain.answer import Answer, Attempt
from gateway.domain.decision import Decision
from gateway.ledger.money import NANOS_PER_USD
from gateway.telemetry.report import CallReport

LogFormat = Literal["json", "text"]


def configure_logs(log_format: LogFormat | None = None, *, stream: TextIO | None = None) -> None:
    """Send every event to `stream` (default: stderr): text on a terminal, else one JSON object a line.

    Of other libraries only warnings are logged. HTTP clients and asyncio are silenced,
    because their messages contain requests."""
    target = stream or sys.stderr
    chosen = log_format or ("text" if target.isatty() else "json")
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=target.isatty()) if chosen == "text" else _json_line
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # One write a line: workers share standard error, and their lines must not mix.
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=True,
    )
    for name in ("aiohttp", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


_ENCODER = json.JSONEncoder(default=repr)
"""Made once; that of structlog is made for each line."""


def _json_line(_: object, __: str, event: MutableMapping[str, object]) -> str:
    return _ENCODER.encode(event)


def call_fields(report: CallReport) -> Mapping[str, object]:
    """Return the log fields of a completed call."""
    fields: dict[str, object] = {
        "transport": report.transport,
        "method": report.method,
        "request_id": report.request_id,
        "tenant": report.tenant,
        "code": report.code,
        "duration_ms": round(report.duration_s * 1000, 2),
    }
    if report.key_name:
        fields["key_name"] = report.key_name
    if report.decision is not None:
        fields.update(decision_fields(report.decision))
    if report.answer is not None:
        fields.update(answer_fields(report.answer))
        return fields
    if report.attempts:
        fields["attempts"] = attempt_names(report.attempts)
        fields |= refusal_fields(report.attempts)
    if report.reason is not None:
        fields["reason"] = str(report.reason)
    return fields


def decision_fields(decision: Decision) -> Mapping[str, object]:
    """Return the log fields of a decision: numbers and names only."""
    fields: dict[str, object] = {
        "rule": decision.rule,
        "privacy_class": decision.privacy_class.name,
        "complexity": round(decision.scores.complexity, 4),
        "privacy": round(decision.scores.privacy, 4),
        "budget": round(decision.scores.budget, 4),
        "chain": list(decision.chain),
        "policy_hash": decision.policy_hash[:12],
    }
    if decision.refused:
        fields["refused"] = [f"{refusal.model}={refusal.reason}" for refusal in decision.refused]
    return fields


def answer_fields(answer: Answer) -> Mapping[str, object]:
    """Return the log fields of an answer."""
    fields: dict[str, object] = {
        "route": str(answer.route),
        "model": answer.model,
        "attempts": attempt_names(answer.attempts),
        "cost_usd": answer.cost_usd_nanos / NANOS_PER_USD,
    }
    fields |= refusal_fields(answer.attempts)
    if answer.usage is not None:
        fields["prompt_tokens"] = answer.usage.prompt_tokens
        fields["completion_tokens"] = answer.usage.completion_tokens
        if answer.usage.cached_prompt_tokens:
            fields["cached_prompt_tokens"] = answer.usage.cached_prompt_tokens
    if calls := len(answer.message.tool_calls):
        fields["tool_calls"] = calls
    if answer.cached_age_s is not None:
        fields["cached_age_s"] = round(answer.cached_age_s, 3)
    if answer.degraded is not None:
        fields["degraded"] = str(answer.degraded.reason)
        if answer.degraded.ticket_id:
            fields["handoff"] = True
    return fields


def attempt_names(attempts: tuple[Attempt, ...]) -> list[str]:
    """Return each attempt as `model=OUTCOME` or `model=REASON`."""
    return [f"{attempt.model}={attempt.reason or attempt.outcome}" for attempt in attempts]


def refusal_fields(attempts: tuple[Attempt, ...]) -> Mapping[str, object]:
    """Return the refusals of providers, each as `model=STATUS code`; empty if there are none."""
    refusals = [
        f"{attempt.model}="
        + " ".join(str(part) for part in (attempt.http_status, attempt.upstream_code) if part)
        for attempt in attempts
        if attempt.http_status is not None or attempt.upstream_code is not None
    ]
    return {"refusals": refusals} if refusals else {}
