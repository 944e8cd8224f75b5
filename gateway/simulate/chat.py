"""OpenAI's chat completions: strict parsing of requests."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from gateway.simulate.answers import THOUGHT_TOKENS, Prompt
from gateway.simulate.apis.api import SimulatedApi, json_object
from gateway.simulate.chat_error import ChatError, object_of, require
from gateway.simulate.dialects.checks import check_messages
from gateway.simulate.dialects.dialect import OPENAI, Dialect
from gateway.simulate.messages import SentMessage, parse_messages
from gateway.simulate.tools import ToolUse, parse_tool_use
from gateway.simulate.writer import ReplyWriter

KNOWN_FIELDS = frozenset((
    "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop",
    "stream", "stream_options", "response_format", "n", "user", "tools", "tool_choice",
    "parallel_tool_calls", "reasoning_effort", "logprobs", "top_logprobs", "logit_bias",
    "frequency_penalty", "presence_penalty",
))  # fmt: skip
"""Any other field is refused, so that tests detect a client that sends unknown fields."""
MAX_STOPS = 4
"""Most stop strings that OpenAI accepts."""
MAX_TOP_LOGPROBS = 20
"""Most alternatives of a token that OpenAI tells."""
_RANGES = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("frequency_penalty", -2, 2),
    ("presence_penalty", -2, 2),
)
JSON_OBJECT: Mapping[str, object] = {
    "type": "object",
    "properties": {"answer": {"const": "a simulated answer"}},
}
"""The schema of an answer to a request for any JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A valid request."""

    model: str
    """The name as sent, which may contain a fault."""
    raw: bytes
    messages: tuple[SentMessage, ...]
    max_tokens: int | None
    stop: tuple[str, ...]
    schema: object | None
    is_stream: bool
    wants_usage: bool
    tool_use: ToolUse
    effort: str
    top_logprobs: int | None
    """How many alternatives of each token are asked for; None: no log probabilities."""
    dialect: Dialect = OPENAI
    cache_marks: frozenset[int] | None = None

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

    def writer(self, *, name: str, created: int) -> ReplyWriter:
        """Return the writer of the answer."""
        return ReplyWriter(
            id=f"chatcmpl-{hashlib.sha256(self.raw).hexdigest()[:24]}",
            model=name,
            created=created,
            dialect=self.dialect,
            top_logprobs=self.top_logprobs,
            wants_usage=self.wants_usage,
        )


def parse_chat(raw: bytes, dialect: Dialect = OPENAI) -> ChatRequest:
    """Parse the body of a request; raises ChatError with status 400 and the wrong field."""
    body = json_object(raw)
    known = KNOWN_FIELDS - dialect.refused_fields | dialect.fields
    for field in body:
        if field not in known and not dialect.takes_unknown_fields:
            status, name = dialect.unknown_field_status, str(field)[:64]
            raise ChatError(status, f"{name} is an unknown field", code="invalid_value", param=name)
    body = {field: value for field, value in body.items() if field not in dialect.ignored_fields}
    model = body.get("model")
    require(isinstance(model, str) and bool(model), "model", "must be a name")
    require(body.get("n", 1) == 1, "n", "must be 1")
    _check_numbers(body)
    is_stream = body.get("stream", False)
    require(isinstance(is_stream, bool), "stream", "must be true or false")
    is_stream = bool(is_stream)
    messages = parse_messages(body.get("messages"))
    effort = _effort(body, dialect)
    check_messages(dialect, messages, thinks=effort != "none")
    return ChatRequest(
        model=str(model),
        raw=raw,
        messages=messages,
        max_tokens=_max_tokens(body),
        stop=_stop(body.get("stop")),
        schema=_schema(body.get("response_format"), messages),
        is_stream=is_stream,
        wants_usage=_wants_usage(body, is_stream=is_stream),
        tool_use=parse_tool_use(body),
        effort=effort,
        top_logprobs=_top_logprobs(body),
        dialect=dialect,
    )


def _check_numbers(body: Mapping[str, object]) -> None:
    for field, least, most in _RANGES:
        value = body.get(field)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        require(
            value is None or (is_number and least <= cast(float, value) <= most),
            field,
            f"must be from {least} to {most}",
        )
    seed = body.get("seed")
    require(
        seed is None or (isinstance(seed, int) and not isinstance(seed, bool)), "seed", "must be an integer"
    )
    biases = body.get("logit_bias")
    values = biases.values() if isinstance(biases, dict) else []
    are_numbers = all(isinstance(each, int | float) and -100 <= each <= 100 for each in values)
    is_map = biases is None or (isinstance(biases, dict) and are_numbers)
    require(is_map, "logit_bias", "must map tokens to numbers from -100 to 100")


def _effort(body: Mapping[str, object], dialect: Dialect) -> str:
    value = body.get("reasoning_effort")
    require(value is None or value in THOUGHT_TOKENS, "reasoning_effort", "must be an effort")
    is_off = "thinking" in dialect.fields and object_of(body.get("thinking")).get("type") == "disabled"
    return "none" if is_off else cast(str | None, value) or dialect.default_effort


def _top_logprobs(body: Mapping[str, object]) -> int | None:
    wanted, top = body.get("logprobs") or False, body.get("top_logprobs")
    require(isinstance(wanted, bool), "logprobs", "must be true or false")
    require(top is None or bool(wanted), "top_logprobs", "requires logprobs")
    is_count = isinstance(top, int) and not isinstance(top, bool) and 0 <= top <= MAX_TOP_LOGPROBS
    require(top is None or is_count, "top_logprobs", f"must be from 0 to {MAX_TOP_LOGPROBS}")
    return cast(int | None, top) or 0 if wanted else None


def _max_tokens(body: Mapping[str, object]) -> int | None:
    given = [field for field in ("max_completion_tokens", "max_tokens") if body.get(field) is not None]
    require(len(given) < 2, "max_tokens", "must not be set together with max_completion_tokens")
    if not given:
        return None
    value = body[given[0]]
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    require(is_count, given[0], "must be 1 or more")
    return cast(int, value)


def _stop(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    is_list = isinstance(stops, list) and all(isinstance(s, str) and s for s in stops)
    require(is_list, "stop", "must be a string or a list of strings, none empty")
    require(len(cast(list[str], stops)) <= MAX_STOPS, "stop", f"must have at most {MAX_STOPS} strings")
    return tuple(cast(list[str], stops))


def _schema(value: object, messages: tuple[SentMessage, ...]) -> object | None:
    if value is None or value == {"type": "text"}:
        return None
    if value == {"type": "json_object"}:
        has_word = any("json" in message.content.lower() for message in messages)
        require(has_word, "messages", "must contain the word 'json' for a response_format of json_object")
        return JSON_OBJECT
    wrapped = (
        value.get("json_schema") if isinstance(value, dict) and value.get("type") == "json_schema" else None
    )
    is_schema = isinstance(wrapped, dict) and isinstance(wrapped.get("name"), str) and "schema" in wrapped
    require(
        is_schema, "response_format", "must be of type text, json_object, or json_schema with name and schema"
    )
    return cast(dict[str, object], wrapped)["schema"]


def _wants_usage(body: Mapping[str, object], *, is_stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    require(is_stream, "stream_options", "requires stream")
    is_known = isinstance(options, dict) and set(options) <= {"include_usage"}
    require(is_known, "stream_options", "must have include_usage only")
    return bool(cast(dict[str, object], options).get("include_usage", False))


CHAT_API: Final = SimulatedApi(path="/chat/completions", parse=parse_chat)
