"""The dialect of OpenAI's chat completions: requests read strictly, answers and errors as JSON."""

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
"""Any other field is refused, so that a client that sends too much is noticed."""
ROLES = frozenset(("system", "developer", "user", "assistant", "tool"))
MAX_STOPS = 4
"""As many stop strings as OpenAI takes."""


class ChatError(Exception):
    """A request is answered with an HTTP error: status, the provider's code, and the field at fault."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> dict[str, object]:
        """Return the error as OpenAI writes it."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request that is right in every field."""

    model: str
    """As it was sent, with the fault that its name may ask for."""
    messages: tuple[tuple[str, str], ...]
    max_tokens: int | None
    stop: tuple[str, ...]
    schema: object | None
    is_stream: bool
    wants_usage: bool

    def prompt(self, *, name: str) -> Prompt:
        """Return what the answer of the model with the bare `name` depends on."""
        return Prompt(
            model=name,
            messages=self.messages,
            max_tokens=self.max_tokens,
            stop=self.stop,
            schema=self.schema,
        )


def parse_chat(raw: bytes) -> ChatRequest:
    """Read the body of a request; raises ChatError with status 400 and the name of the wrong field."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise ChatError(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ChatError(400, "the body is not a JSON object")
    for field in body:
        _require(field in KNOWN_FIELDS, str(field)[:64], "is not known")
    _require(isinstance(body.get("model"), str) and bool(body["model"]), "model", "is a name")
    _require(body.get("n", 1) == 1, "n", "is 1")
    _check_numbers(body)
    is_stream = body.get("stream", False)
    _require(isinstance(is_stream, bool), "stream", "is true or false")
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
        _require(value is None or (is_number and 0 <= cast(float, value) <= most), field, f"is 0 to {most}")
    seed = body.get("seed")
    _require(seed is None or (isinstance(seed, int) and not isinstance(seed, bool)), "seed", "is an integer")


def _messages(value: object) -> tuple[tuple[str, str], ...]:
    _require(isinstance(value, list) and bool(value), "messages", "is a list with a message in it")
    messages = []
    for i, message in enumerate(cast(list[object], value)):
        is_message = isinstance(message, dict) and set(message) == {"role", "content"}
        _require(is_message, f"messages[{i}]", "has a role and a content")
        fields = cast(dict[str, object], message)
        _require(fields["role"] in ROLES, f"messages[{i}].role", "is a role")
        _require(isinstance(fields["content"], str), f"messages[{i}].content", "is a string")
        messages.append((cast(str, fields["role"]), cast(str, fields["content"])))
    return tuple(messages)


def _max_tokens(body: Mapping[str, object]) -> int | None:
    given = [field for field in ("max_completion_tokens", "max_tokens") if body.get(field) is not None]
    _require(len(given) < 2, "max_tokens", "and max_completion_tokens exclude each other")
    if not given:
        return None
    value = body[given[0]]
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    _require(is_count, given[0], "is 1 or more")
    return cast(int, value)


def _stop(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    is_list = isinstance(stops, list) and all(isinstance(s, str) and s for s in stops)
    _require(is_list, "stop", "is a string or a list of strings, none empty")
    _require(len(cast(list[str], stops)) <= MAX_STOPS, "stop", f"has at most {MAX_STOPS} strings")
    return tuple(cast(list[str], stops))


def _schema(value: object) -> object | None:
    if value is None or value == {"type": "text"}:
        return None
    wrapped = (
        value.get("json_schema") if isinstance(value, dict) and value.get("type") == "json_schema" else None
    )
    is_schema = isinstance(wrapped, dict) and isinstance(wrapped.get("name"), str) and "schema" in wrapped
    _require(is_schema, "response_format", "is of type text or json_schema, with name and schema")
    return cast(dict[str, object], wrapped)["schema"]


def _wants_usage(body: Mapping[str, object], *, is_stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    _require(is_stream, "stream_options", "needs stream")
    is_known = isinstance(options, dict) and set(options) <= {"include_usage"}
    _require(is_known, "stream_options", "has include_usage and nothing else")
    return bool(cast(dict[str, object], options).get("include_usage", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWriter:
    """Writes one answer as JSON, whole or in chunks; the id is made from the request, so it repeats."""

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
        """Return a piece of a stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._object("chat.completion.chunk", [choice])

    def usage_chunk(self, usage: Mapping[str, int]) -> dict[str, object]:
        """Return the last piece of a stream, which has no choice but the usage."""
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
    """Return token counts as OpenAI writes them."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
