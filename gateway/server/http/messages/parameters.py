"""What a request says beside its conversation and its tools."""

import json
import re
from collections.abc import Mapping
from typing import Final

from gateway.domain.conversation import ReasoningConfig, ReasoningEffort
from gateway.errors import InvalidRequest, Unsupported
from gateway.server.http.members import Members

IGNORED: Final = frozenset({
    "cache_control", "service_tier", "speed", "diagnostics", "betas", "user_profile_id", "workspace_id",
    "context_management",
})  # fmt: skip
"""Fields that say what an answer costs at Anthropic, what it is billed to there, or what Anthropic may leave
out of a long conversation; the gateway sends all of it."""
THREAD: Final = "thread"
_REFUSED: Final = {
    THREAD: "the gateway keeps no conversations; send all messages",
    "mcp_servers": "the gateway calls no servers of tools; call them yourself",
    "container": "the gateway runs no code",
    "fallbacks": "the policy says which models follow each other",
    "compaction": "the gateway summarizes no conversations",
    "inference_geo": "the policy says which models may be sent a request",
}
"""What Anthropic has and the gateway lacks, and why."""
_IGNORED_OF_OUTPUT: Final = frozenset({"task_budget"})
_EFFORTS: Final = {
    "low": ReasoningEffort.LOW,
    "medium": ReasoningEffort.MEDIUM,
    "high": ReasoningEffort.HIGH,
    "xhigh": ReasoningEffort.XHIGH,
    "max": ReasoningEffort.XHIGH,
}
_DISPLAYS: Final = {"summarized": False, "omitted": True}
_SESSION: Final = re.compile(r"_session_([0-9A-Za-z-]{1,64})\Z", re.ASCII)


def reasoning_of(request: Members, output: Members | None) -> ReasoningConfig:
    """Return how much to think.

    Without a budget that is a wish: Claude Code sends `adaptive` to every model, be it one that cannot think.
    """
    effort = None if output is None else output.known("effort", _EFFORTS)
    thinking = request.members("thinking")
    if thinking is None:
        return ReasoningConfig(effort=effort, is_optional=effort is not None)
    kind = thinking.needed_text("type")
    hide = bool(thinking.known("display", _DISPLAYS))
    budget = thinking.integer("budget_tokens")  # Claude Code sends 0 with `adaptive`.
    thinking.refuse_rest()
    match kind:
        case "disabled":
            return ReasoningConfig(effort=ReasoningEffort.NONE)
        case "adaptive" | "between_tools":
            return ReasoningConfig(effort=effort or ReasoningEffort.HIGH, hide=hide, is_optional=True)
        case "enabled" if budget is not None:
            return ReasoningConfig(effort=effort, budget_tokens=budget, hide=hide)
        case "enabled":
            raise InvalidRequest(thinking.at("budget_tokens"), "must be there, a whole number")
    raise InvalidRequest(thinking.at("type"), "must be one of adaptive, between_tools, disabled, enabled")


def schema_of(request: Members, output: Members | None) -> str | None:
    """Return the JSON schema of the answer: of `output_config.format`, or of the older `output_format`."""
    holders = (None if output is None else output.members("format"), request.members("output_format"))
    form = next((each for each in holders if each is not None), None)
    if form is None:
        return None
    if form.needed_text("type") != "json_schema":
        raise Unsupported(form.at("type"), "must be json_schema")
    schema = json.dumps(form.needed_members("schema").values, ensure_ascii=False)
    form.refuse_rest(ignored=("name",))
    return schema


def output_of(request: Members) -> Members | None:
    """Return how the answer is to be; to be read by the two functions above, and then checked."""
    return request.members("output_config")


def check_output(output: Members | None) -> None:
    """Raise Unsupported for what nobody has read of it."""
    if output is not None:
        output.refuse_rest(ignored=_IGNORED_OF_OUTPUT)


def session_of(request: Members) -> str:
    """Return the name of the conversation, of all that Claude Code says of its user; "" where it has none."""
    metadata = request.members("metadata")
    user = None if metadata is None else metadata.text("user_id")
    if user is None:
        return ""
    if found := _SESSION.search(user):
        return found[1]
    try:
        value = json.loads(user)
    except (ValueError, RecursionError):
        return ""
    session = value.get("session_id") if isinstance(value, Mapping) else None
    return session if isinstance(session, str) else ""


def refuse_others(request: Members) -> None:
    """Raise Unsupported for a field that is not known, or that nothing here can do."""
    for name, why in _REFUSED.items():
        if request.values.get(name):
            request.refuse(name, why)
    request.refuse_rest(ignored=IGNORED | _REFUSED.keys())


def stops_of(request: Members) -> tuple[str, ...]:
    """Return the stop strings."""
    stops = request.items("stop_sequences")
    for i, stop in enumerate(stops):
        if not isinstance(stop, str):
            raise InvalidRequest(f"stop_sequences[{i}]", "must be a string")
    return tuple(stops)
