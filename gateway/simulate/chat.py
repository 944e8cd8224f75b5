"""OpenAI's chat completions: strict parsing of requests, answers and errors as JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from gateway.simulate.answers import Prompt

KNOWN_FIELDS = frozenset((
    "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop",
    "stream", "stream_options", "response_format", "n", "user",
))  # fmt: skip
"""Any other field is refused, so that tests detect a client that sends unknown fields."""
ROLES = frozenset(("system", "developer", "user", "assistant", "tool"))
MAX_STOPS = 4
"""Most stop strings that OpenAI accepts."""


class ChatError(Exception):
    """An HTTP error answer: status, the provider's code, and the wrong field."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> dict[str, object]:
        """Return the error in OpenAI's form."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A valid request."""

    model: str
    """The name as sent, which may contain a fault."""
    messages: tuple[tuple[str, str], ...]
    max_tokens: int | None
    stop: tuple[str, ...]
    schema: object | None
    is_stream: bool
    wants_usage: bool

    def prompt(self, *, name: str) -> Prompt:
        """Return the prompt for the model with the bare `name`."""
        return Prompt(
            model=name,
            messages=self.messages,
            max_tokens=self.max_tokens,
            stop=self.stop,
            schema=self.schema,
        )


def parse_chat(raw: bytes) -> ChatRequest:
    """Parse the body of a request; raises ChatError with status 400 and the wrong field."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise ChatError(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ChatError(400, "the body is not a JSON object")
    for field in body:
        _require(field in KNOWN_FIELDS, str(field)[:64], "is an unknown field")
    _require(isinstance(body.get("model"), str) and bool(body["model"]), "model", "must be a name")
    _require(body.get("n", 1) == 1, "n", "must be 1")
    _check_numbers(body)
    is_stream = body.get("stream", False)
    _require(isinstance(is_stream, bool), "stream", "must be true or false")
    return ChatRequest(
        model=body["model"],
        messages=_messages(body.get("messages")),
        max_tokens=_max_tokens(body),
        stop=_stop(body.get("stop")),
        schema=_schema(body.get("response_format")),
        is_stream=is_stream,
        wants_usage=_wants_usage(body, is_stream=is_stream),
    )


def _require(holds: bool, param: str, rule: str) -> None:
    if not holds:
        raise ChatError(400, f"{param} {rule}", code="invalid_value", param=param)


def _check_numbers(body: Mapping[str, object]) -> None:
    for field, most in (("temperature", 2), ("top_p", 1)):
        value = body.get(field)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        _require(
            value is None or (is_number and 0 <= cast(float, value) <= most),
            field,
            f"must be from 0 to {most}",
        )
    seed = body.get("seed")
    _require(
        seed is None or (isinstance(seed, int) and not isinstance(seed, bool)), "seed", "must be an integer"
    )


def _messages(value: object) -> tuple[tuple[str, str], ...]:
    _require(isinstance(value, list) and bool(value), "messages", "must be a list of at least one message")
    messages = []
    for i, message in enumerate(cast(list[object], value)):
        is_message = isinstance(message, dict) and set(message) == {"role", "content"}
        _require(is_message, f"messages[{i}]", "must have a role and a content only")
        fields = cast(dict[str, object], message)
        _require(fields["role"] in ROLES, f"messages[{i}].role", "must be a role")
        _require(isinstance(fields["content"], str), f"messages[{i}].content", "must be a string")
        messages.append((cast(str, fields["role"]), cast(str, fields["content"])))
    return tuple(messages)


def _max_tokens(body: Mapping[str, object]) -> int | None:
    given = [field for field in ("max_completion_tokens", "max_tokens") if body.get(field) is not None]
    _require(len(given) < 2, "max_tokens", "must not be set together with max_completion_tokens")
    if not given:
        return None
    value = body[given[0]]
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    _require(is_count, given[0], "must be 1 or more")
    return cast(int, value)


def _stop(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    is_list = isinstance(stops, list) and all(isinstance(s, str) and s for s in stops)
    _require(is_list, "stop", "must be a string or a list of strings, none empty")
    _require(len(cast(list[str], stops)) <= MAX_STOPS, "stop", f"must have at most {MAX_STOPS} strings")
    return tuple(cast(list[str], stops))


def _schema(value: object) -> object | None:
    if value is None or value == {"type": "text"}:
        return None
    wrapped = (
        value.get("json_schema") if isinstance(value, dict) and value.get("type") == "json_schema" else None
    )
    is_schema = isinstance(wrapped, dict) and isinstance(wrapped.get("name"), str) and "schema" in wrapped
    _require(is_schema, "response_format", "must be of type text or json_schema, with name and schema")
    return cast(dict[str, object], wrapped)["schema"]


def _wants_usage(body: Mapping[str, object], *, is_stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    _require(is_stream, "stream_options", "requires stream")
    is_known = isinstance(options, dict) and set(options) <= {"include_usage"}
    _require(is_known, "stream_options", "must have include_usage only")
    return bool(cast(dict[str, object], options).get("include_usage", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWriter:
    """Writes one answer as JSON, whole or in chunks; equal requests get the same id."""

    id: str
    model: str
    created: int

    @classmethod
    def of(cls, raw: bytes, *, model: str, created: int) -> "ReplyWriter":
        """Return the writer for the answer to the request `raw`."""
        digest = hashlib.sha256(raw).hexdigest()[:24]
        return cls(id=f"chatcmpl-{digest}", model=model, created=created)

    def whole(
        self, text: str, *, finish_reason: str | None, usage: Mapping[str, int] | None
    ) -> dict[str, object]:
        """Return a complete answer."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        whole = self._object("chat.completion", [choice])
        return whole if usage is None else {**whole, "usage": usage}

    def chunk(self, delta: Mapping[str, str], *, finish_reason: str | None = None) -> dict[str, object]:
        """Return a chunk of a stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._object("chat.completion.chunk", [choice])

    def usage_chunk(self, usage: Mapping[str, int]) -> dict[str, object]:
        """Return the last chunk of a stream, which has the usage and no choice."""
        return {**self._object("chat.completion.chunk", []), "usage": usage}

    def _object(self, kind: str, choices: list[dict[str, object]]) -> dict[str, object]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
            "choices": choices,
        }


def usage_of(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return token counts in OpenAI's form."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
