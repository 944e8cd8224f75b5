"""Renders responses as rows and lines of text; pure, so that output is tested without a terminal."""

import json
from collections.abc import Iterable

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from gateway.v1 import gateway_pb2 as pb

Row = tuple[str, ...]

ATTEMPT_COLUMNS: Row = ("model", "outcome", "reason", "start ms", "took ms", "tokens", "cost USD")
FINDING_COLUMNS: Row = ("type", "in", "characters", "confidence")

_INVISIBLE = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_INVISIBLE[ord("\r")] = ""


def to_json(message: Message) -> str:
    """Return one line of JSON with the field names of the proto, including fields that are 0 or empty."""
    fields = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return json.dumps(fields, ensure_ascii=False)


def for_terminal(text: str) -> str:
    """Return a text without control characters, which could move the cursor or change the window title."""
    return text.translate(_INVISIBLE)


def answer_rows(response: pb.GenerateResponse) -> list[Row]:
    """Return name and value of source, tokens, cost and id of an answer."""
    if response.HasField("degraded"):
        reason = reason_name(response.degraded.reason)
        details = (
            f"{item.model}: {_lacks(item) or _time(item)}"
            for item in response.decision.refused
            if item.reason == response.degraded.reason and (_lacks(item) or _time(item))
        )
        reason = ": ".join(filter(None, (reason, "; ".join(details))))
        source = f"canned reply {response.degraded.canned_id}, no model answered ({reason})"
    else:
        finish = pb.FinishReason.Name(response.finish_reason).removeprefix("FINISH_REASON_")
        source = f"{pb.Route.Name(response.route).removeprefix('ROUTE_')}, model {response.model}, {finish}"
    rows = [("answer", source)]
    if response.HasField("cached_age_s"):
        rows.append(("kept", f"made {response.cached_age_s:.1f} s ago for an identical request"))
    if response.degraded.ticket_id:
        command = f"gateway handoff fetch {response.degraded.ticket_id}"
        rows.append(("ticket", f"a person may answer; ask for it with: {command}"))
    if response.HasField("usage"):
        rows.append(("tokens", _tokens(response.usage.prompt_tokens, response.usage.completion_tokens)))
    return [*rows, ("cost", f"{usd(response.cost_usd)} USD"), ("request", response.request_id)]


def answer_line(response: pb.GenerateResponse) -> str:
    """Return source, tokens and cost of an answer in one line."""
    rows = {row[0]: row[1] for row in answer_rows(response)}
    tokens = f"{rows['tokens']} tokens" if "tokens" in rows else ""
    return ", ".join(filter(None, (rows["answer"], tokens, rows["cost"])))


def decision_rows(decision: pb.Decision) -> list[Row]:
    """Return name and value of each part of a decision that is not empty."""
    scores = decision.scores
    klass = pb.PrivacyClass.Name(decision.privacy_class).removeprefix("PRIVACY_CLASS_")
    findings = ", ".join(f"{item.count} {item.type}" for item in decision.findings)
    masked = ", ".join(f"{item.count} {item.type}" for item in decision.masked)
    refused = ", ".join(_refused(item) for item in decision.refused)
    rows = [
        ("complexity", f"{scores.complexity:.3f}"),
        ("privacy", f"{scores.privacy:.3f}, class {klass} ({decision.privacy_reason})"),
        ("budget", f"{scores.budget:.3f}"),
        ("found", findings),
        ("masked", masked),
        ("signals", _signals(decision.signals)),
        ("session", _session(decision.session)),
        ("rule", decision.rule),
        *(("rule error", error) for error in decision.rule_errors),
        ("limits", _limits(decision.limits)),
        ("left out", ", ".join(map(_trimmed, decision.trimmed))),
        ("chain", ", ".join(decision.chain) or "no model may answer: a canned reply"),
        ("refused", refused),
        ("policy", decision.policy_hash[:12]),
    ]
    return [row for row in rows if row[1]]


def attempt_rows(attempts: Iterable[pb.Attempt]) -> list[Row]:
    """Return a row for each attempt, under ATTEMPT_COLUMNS."""
    return [
        (
            attempt.model,
            pb.Outcome.Name(attempt.outcome).removeprefix("OUTCOME_").lower(),
            reason_name(attempt.reason) if attempt.reason else "",
            f"{attempt.start_ms:.0f}",
            f"{attempt.duration_ms:.0f}",
            _tokens(attempt.prompt_tokens, attempt.completion_tokens),
            usd(attempt.cost_usd),
        )
        for attempt in attempts
    ]


def finding_rows(findings: Iterable[pb.Finding]) -> list[Row]:
    """Return a row for each finding, under FINDING_COLUMNS: its type and position, never its text."""
    return [
        (
            finding.type,
            _place(finding),
            f"{finding.start}..{finding.end}",
            f"{finding.confidence:.2f}",
        )
        for finding in findings
    ]


def _place(finding: pb.Finding) -> str:
    """Return the field of the request that a finding is in."""
    return f"messages[{finding.message_index}].{finding.path}" if finding.message_index >= 0 else finding.path


def reason_name(reason: pb.Reason.ValueType) -> str:
    """Return the name of a reason as in logs and policy."""
    return pb.Reason.Name(reason).removeprefix("REASON_")


def _session(session: pb.Session) -> str:
    """Return what became of the model that answered before; "" for the first turn."""
    status = pb.SessionStatus.Name(session.status).removeprefix("SESSION_STATUS_").lower()
    if session.status in (pb.SESSION_STATUS_UNSPECIFIED, pb.SESSION_STATUS_NEW):
        return ""
    klass = pb.PrivacyClass.Name(session.privacy_class).removeprefix("PRIVACY_CLASS_")
    return f"{status} {session.model}{f' ({session.why})' if session.why else ''}, class {klass} before"


def _signals(signals: pb.Signals) -> str:
    tools = f"{signals.tools_offered} tools offered" if signals.tools_offered else ""
    return ", ".join(filter(None, (tools, "images or files" if signals.has_images else "")))


def _limits(limits: pb.RuleLimits) -> str:
    tokens = f"max_tokens {limits.max_tokens}" if limits.HasField("max_tokens") else ""
    effort = pb.ReasoningEffort.Name(limits.effort).removeprefix("REASONING_EFFORT_").lower()
    return ", ".join(filter(None, (tokens, f"effort {effort}" if limits.effort else "")))


def _trimmed(trimmed: pb.TrimmedContext) -> str:
    return f"{trimmed.tokens} tokens of {trimmed.messages} messages for {trimmed.model}"


def _refused(refusal: pb.Refusal) -> str:
    text = ": ".join(filter(None, (reason_name(refusal.reason), _lacks(refusal), _time(refusal))))
    return f"{refusal.model} ({text})"


def _lacks(refusal: pb.Refusal) -> str:
    """Return what the model cannot do; "" where the refusal has another reason."""
    return f"no {refusal.capability}" if refusal.capability else ""


def _time(refusal: pb.Refusal) -> str:
    """Return why there is no time for a model; "" where the refusal has another reason."""
    if not refusal.HasField("expected_s"):
        return ""
    return f"an answer is expected to take {refusal.expected_s:.3g} s, and has {refusal.given_s:.3g} s"


def usd(amount: float) -> str:
    """Return an amount to the nano-dollar, without trailing zeros."""
    return f"{amount:.9f}".rstrip("0").rstrip(".")


def _tokens(prompt: int, completion: int) -> str:
    return f"{prompt} + {completion}" if prompt or completion else ""
