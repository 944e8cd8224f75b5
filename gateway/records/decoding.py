"""Decodes the record of a decision, for replay and comparison."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.complexity.complexity import FEATURES
from gateway.domain.answer import Route, Usage
from gateway.domain.capability import Capability
from gateway.domain.decision import Reason, Refusal, RoutingInput, RoutingState
from gateway.domain.privacy import Evidence, PrivacyClass
from gateway.domain.session import NEW_SESSION, SessionState
from gateway.domain.signals import ConversationSignals
from gateway.domain.trimming import Trim
from gateway.errors import InputRefused
from gateway.records.encoding import VERSION


class BadRecord(InputRefused):
    """A line is no record of this version; the message says why, without its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """Content of the record of one decision, for replay and diff."""

    request_id: str
    policy_hash: str
    routing_input: RoutingInput
    state: RoutingState
    labels_left_out: int
    """How many labels the policy did not record: a rule may have read one of them."""
    rule: str
    rule_errors: tuple[str, ...]
    chain: tuple[str, ...]
    refused: tuple[Refusal, ...]
    cost_usd_nanos: int
    usage: Usage | None
    method: str
    ended_unix_s: float
    route: Route | None
    """Where the answer was made; None for a call without an answer."""
    is_cached: bool = False


def read_record(fields: Mapping[str, Any]) -> DecisionRecord:
    """Decode the record of a request; raises BadRecord."""
    if fields.get("v") != VERSION:
        raise BadRecord(f"is not a record of version {VERSION}")
    try:
        recorded = _recorded(fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecord(f"is not a whole record: {type(error).__name__}") from None
    if (count := len(recorded.routing_input.features)) not in (0, FEATURES):
        raise BadRecord(f"has {count} features where this version has {FEATURES}: leave older records out")
    return recorded


def _recorded(fields: Mapping[str, Any]) -> DecisionRecord:
    facts, decision, usage = fields["facts"], fields["decision"], fields.get("usage")
    evidence = facts["evidence"]
    routing_input = RoutingInput(
        complexity=_number(facts["complexity"]),
        privacy=_number(facts["privacy"]),
        privacy_class=PrivacyClass[facts.get("own_class") or decision["privacy_class"]],
        privacy_reason=decision["privacy_reason"],
        findings=tuple(facts["findings"]),
        tenant=fields["tenant"],
        key_name=fields.get("key_name", ""),
        labels=dict(facts["labels"]),
        prompt_tokens=_count(facts["prompt_tokens"]),
        least_tokens={Trim(trim): tokens for trim, tokens in facts.get("least_tokens", {}).items()},
        masked_classes={model: PrivacyClass[name] for model, name in facts["masked_classes"].items()},
        needs=tuple(map(Capability, facts["needs"])),
        signals=ConversationSignals(**facts.get("signals", {})),
        model=facts.get("model") or "",
        evidence=None
        if evidence is None
        else {kind: Evidence(highest=top, confident=count) for kind, (top, count) in evidence.items()},
        hint=None if facts["hint"] is None else PrivacyClass[facts["hint"]],
        features=tuple(map(_number, fields.get("features", ()))),
    )
    state = RoutingState(
        deadline_s=facts["deadline_s"],
        finish_s=dict(facts["finish_s"]),
        idle=frozenset(facts.get("idle", ())),
        lacking={
            model: frozenset(map(Capability, lacking)) for model, lacking in facts.get("lacking", {}).items()
        },
        budget=_number(facts["budget"]),
        budget_plan=_number(facts["budget_plan"]),
        session=SessionState.read(facts["session"]) if "session" in facts else NEW_SESSION,
    )
    return DecisionRecord(
        request_id=fields["request_id"],
        policy_hash=fields["policy_hash"],
        routing_input=routing_input,
        state=state,
        labels_left_out=facts["labels_left_out"],
        rule=decision["rule"],
        rule_errors=tuple(decision["rule_errors"]),
        chain=tuple(decision["chain"]),
        refused=tuple(map(_read_refusal, decision["refused"])),
        cost_usd_nanos=_count(fields["cost_usd_nanos"]),
        usage=None if usage is None else Usage(**{key: _count(value) for key, value in usage.items()}),
        method=fields["method"],
        ended_unix_s=_number(fields["at_unix_s"]),
        route=None if fields.get("route") is None else Route(fields["route"]),
        is_cached=fields.get("cached_age_s") is not None,
    )


def _read_refusal(fields: Mapping[str, Any]) -> Refusal:
    reason = Reason(fields["reason"])
    missing = tuple(map(Capability, fields.get("missing", ())))
    return Refusal(model=fields["model"], reason=reason, missing=missing)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("a number")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number")
    return value
