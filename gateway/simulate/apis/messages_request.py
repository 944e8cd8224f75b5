"""Anthropic's Messages API: strict parsing of requests."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from gateway.simulate.answers import Prompt
from gateway.simulate.apis.api import Counting, SimulatedApi, json_object
from gateway.simulate.apis.messages_content import (
    MOST_MARKS,
    THOUGHTS,
    SentTurns,
    check,
    check_mark,
    refuse,
)
from gateway.simulate.apis.messages_writer import MessageForm, MessagesWriter
from gateway.simulate.chat_error import object_of
from gateway.simulate.dialects.dialect import Dialect
from gateway.simulate.messages import SentMessage
from gateway.simulate.tools import Choice, OfferedTool, ToolUse

KNOWN_FIELDS: Final = frozenset((
    "model", "messages", "max_tokens", "system", "metadata", "stop_sequences", "stream", "temperature",
    "top_p", "top_k", "tools", "tool_choice", "thinking", "service_tier", "output_config",
))  # fmt: skip
"""Any other field is refused, as the API does."""
LEAST_BUDGET: Final = 1024
"""Tokens of the smallest thinking budget."""
MOST_STOPS: Final = 8191
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}", re.ASCII)
_CHOICES: Final[Mapping[str, Choice]] = {
    "auto": "auto", "any": "required", "tool": "named", "none": "none",
}  # fmt: skip
_EFFORTS: Final = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
_BUDGETS: Final = ((LEAST_BUDGET, "low"), (8192, "medium"), (24_576, "high"))
"""How hard the simulated model thinks at most with a budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesRequest:
    """A valid request."""

    model: str
    raw: bytes
    messages: tuple[SentMessage, ...]
    max_tokens: int
    stop: tuple[str, ...]
    schema: object | None
    is_stream: bool
    tool_use: ToolUse
    effort: str
    shows_thoughts: bool
    cache_marks: frozenset[int] | None

    def prompt(self, *, name: str) -> Prompt:
        """Return the prompt for the model with the bare `name`."""
        return Prompt(
            model=name,
            messages=self.messages,
            max_tokens=self.max_tokens,
            stop=self.stop,
            schema=self.schema,
            tool_use=self.tool_use,
            effort=self.effort,
        )

    def writer(self, *, name: str, created: int) -> MessagesWriter:
        """Return the writer of the answer."""
        digest = hashlib.sha256(self.raw).hexdigest()
        return MessagesWriter(MessageForm(model=name, digest=digest, shows_thoughts=self.shows_thoughts))


def parse_messages_request(raw: bytes, dialect: Dialect) -> MessagesRequest:
    """Parse the body of a request; raises ChatError with the wrong field."""
    return _request(raw, is_count=False)


def parse_count(raw: bytes, dialect: Dialect) -> MessagesRequest:
    """Parse the body of a request to count its tokens, which needs no `max_tokens`; raises ChatError."""
    return _request(raw, is_count=True)


def _request(raw: bytes, *, is_count: bool) -> MessagesRequest:
    body = json_object(raw)
    for name in body:
        check(name in KNOWN_FIELDS, str(name)[:64], "Extra inputs are not permitted")
    model = body.get("model")
    check(isinstance(model, str) and bool(model), "model", "Field required")
    check(isinstance(body.get("stream", False), bool), "stream", "Input should be a valid boolean")
    max_tokens = body.get("max_tokens", 1 if is_count else None)
    is_tokens = isinstance(max_tokens, int) and not isinstance(max_tokens, bool) and max_tokens > 0
    check(is_tokens, "max_tokens", "Field required, greater than 0")
    _check_sampling(body)
    turns = SentTurns(str(model).partition("+")[0])
    turns.add_system(body.get("system"))
    turns.add(body.get("messages"))
    tools = body.get("tools") or []
    check(isinstance(tools, list), "tools", "Input should be a valid list")
    marked_tools = any(object_of(tool).get("cache_control") for tool in cast(list[object], tools))
    marks = turns.marks + sum(
        bool(object_of(tool).get("cache_control")) for tool in cast(list[object], tools)
    )
    check(
        marks <= MOST_MARKS, "cache_control", f"a maximum of {MOST_MARKS} blocks may be marked; found {marks}"
    )
    tool_use = _tool_use(body, cast(list[object], tools))
    has_calls = any(message.calls for message in turns.messages)
    check(
        bool(tools) or not has_calls, "tools", "Requests with `tool_use` or `tool_result` must define tools"
    )
    config = object_of(body.get("output_config"))
    form = object_of(config.get("format"))
    check(
        not form or form.get("type") == "json_schema", "output_config.format", "must be of type json_schema"
    )
    return MessagesRequest(
        model=str(model),
        raw=raw,
        messages=tuple(turns.messages),
        max_tokens=cast(int, max_tokens),
        stop=_stops(body.get("stop_sequences")),
        schema=form.get("schema") if form else None,
        is_stream=bool(body.get("stream", False)),
        tool_use=tool_use,
        effort=_effort(body, turns, tool_use),
        shows_thoughts=object_of(body.get("thinking")).get("display") != "omitted",
        cache_marks=frozenset({0} if marked_tools else ()) | {index + 1 for index in turns.marked},
    )


def _check_sampling(body: Mapping[str, object]) -> None:
    for name in ("temperature", "top_p"):
        value = body.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_right = value is None or (is_number and 0 <= cast(float, value) <= 1)
        check(is_right, name, "Input should be from 0 to 1")
    is_both = body.get("temperature") is not None and body.get("top_p") is not None
    check(not is_both, "temperature", "`temperature` and `top_p` cannot both be specified for this model")
    top_k = body.get("top_k")
    is_count = isinstance(top_k, int) and not isinstance(top_k, bool) and top_k >= 0
    check(top_k is None or is_count, "top_k", "Input should be a valid integer")


def _stops(value: object) -> tuple[str, ...]:
    stops = [] if value is None else value
    is_list = isinstance(stops, list) and all(isinstance(stop, str) for stop in stops)
    check(is_list and len(cast(list[str], stops)) <= MOST_STOPS, "stop_sequences", "Input should be a list")
    has_blank = any(not stop.strip() for stop in cast(list[str], stops))
    check(not has_blank, "stop_sequences", "each stop sequence must contain non-whitespace")
    return tuple(cast(list[str], stops))


def _tool_use(body: Mapping[str, object], tools: list[object]) -> ToolUse:
    choice = object_of(body.get("tool_choice"))
    check(not choice or bool(tools), "tool_choice", "may only be specified while providing `tools`")
    offered = tuple(_tool(object_of(tool), f"tools.{i}") for i, tool in enumerate(tools))
    names = [tool.name for tool in offered]
    check(len(set(names)) == len(names), "tools", "Tool names must be unique.")
    kind = str(choice.get("type", "auto"))
    check(kind in _CHOICES, "tool_choice.type", f"must be one of {', '.join(_CHOICES)}")
    is_there = kind != "tool" or choice.get("name") in names
    check(is_there, "tool_choice", f"Tool '{str(choice.get('name'))[:64]}' not found in provided tools")
    return ToolUse(
        tools=offered,
        choice=_CHOICES[kind],
        name=str(choice.get("name", "")),
        is_parallel=choice.get("disable_parallel_tool_use") is not True,
    )


def _tool(tool: Mapping[str, object], at: str) -> OfferedTool:
    check(tool.get("type", "custom") == "custom", f"{at}.type", "no tool runs here; give a custom one")
    extra = sorted(set(tool) - {"type", "name", "description", "input_schema", "cache_control", "strict"})
    check(not extra, f"{at}.custom.{extra[0][:64] if extra else ''}", "Extra inputs are not permitted")
    check_mark(tool, at)
    name, schema = tool.get("name"), object_of(tool.get("input_schema"))
    is_name = isinstance(name, str) and _NAME.fullmatch(name) is not None
    check(is_name, f"{at}.custom.name", f"String should match pattern '^{_NAME.pattern}$'")
    check(schema.get("type") == "object", f"{at}.custom.input_schema.type", "Input should be 'object'")
    description = tool.get("description", "")
    check(isinstance(description, str), f"{at}.custom.description", "Input should be a valid string")
    return OfferedTool(name=str(name), description=str(description), parameters=schema, kind="function")


def _effort(body: Mapping[str, object], turns: SentTurns, tool_use: ToolUse) -> str:
    """Return how hard the model is to think; raises ChatError for what goes with no thinking."""
    thinking = object_of(body.get("thinking"))
    asked = object_of(body.get("output_config")).get("effort")
    check(asked is None or asked in _EFFORTS, "output_config.effort", f"must be one of {', '.join(_EFFORTS)}")
    kind = thinking.get("type", "disabled")
    if kind == "disabled":
        return "none"
    check(kind in ("enabled", "adaptive"), "thinking.type", "must be enabled, adaptive or disabled")
    is_forced = tool_use.choice in ("required", "named")
    check(not is_forced, "tool_choice", "Thinking may not be enabled when tool_choice forces tool use.")
    check(
        body.get("temperature") in (None, 1), "temperature", "may only be set to 1 when thinking is enabled"
    )
    check(body.get("top_k") is None, "top_k", "must be unset when thinking is enabled")
    is_begun = turns.messages[-1].role == "assistant"
    check(not is_begun, "messages", "a prefilled response is not allowed when thinking is enabled")
    if kind == "adaptive":
        return _EFFORTS[str(asked or "high")]
    _check_first_thought(turns)
    budget = thinking.get("budget_tokens")
    is_budget = isinstance(budget, int) and not isinstance(budget, bool) and budget >= LEAST_BUDGET
    check(is_budget, "thinking.enabled.budget_tokens", f"Input should be {LEAST_BUDGET} or more")
    is_below = cast(int, budget) < cast(int, body.get("max_tokens", cast(int, budget) + 1))
    check(is_below, "max_tokens", "must be greater than `thinking.budget_tokens`")
    return next((effort for most, effort in _BUDGETS if cast(int, budget) <= most), "xhigh")


def _check_first_thought(turns: SentTurns) -> None:
    """Check that a loop of tools that goes on was begun by a thought."""
    if turns.messages[-1].role != "tool":
        return
    i = max(i for i, (role, _) in enumerate(turns.first_kinds) if role == "assistant")
    kind = turns.first_kinds[i][1]
    if kind not in THOUGHTS:
        raise refuse(
            f"messages.{i}.content.0.type",
            f"Expected `thinking` or `redacted_thinking`, but found `{kind}`. When `thinking` is enabled, a "
            "final `assistant` message must start with a thinking block.",
        )


MESSAGES_API: Final = SimulatedApi(
    path="/messages",
    parse=parse_messages_request,
    counting=Counting(path="/messages/count_tokens", parse=parse_count, more={}),
)
