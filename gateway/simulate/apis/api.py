"""What the simulated provider needs of an API: how requests are read, and how answers are written."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.simulate.answers import AnswerToken, Completion, Prompt
from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json


class AnswerWriter(Protocol):
    """Writes one answer: either whole, or as a stream from `begin` to `end`."""

    def whole(
        self, completion: Completion, *, finish_reason: str | None, counts: BilledTokens | None
    ) -> Json:
        """Return a complete answer; None: without a reason for its end, without token counts."""
        ...

    def begin(self, counts: BilledTokens | None) -> Iterator[bytes]:
        """Yield what comes before the first token; `counts` are those of the prompt."""
        ...

    def token(
        self, token: AnswerToken, completion: Completion, *, finish_reason: str | None = None
    ) -> Iterator[bytes]:
        """Yield what tells one token, perhaps nothing."""
        ...

    def finish(
        self, completion: Completion, *, finish_reason: str, counts: BilledTokens | None
    ) -> Iterator[bytes]:
        """Yield what says why the answer ended."""
        ...

    def usage(self, counts: BilledTokens | None) -> Iterator[bytes]:
        """Yield the token counts, where they have an event of their own."""
        ...

    def end(self) -> Iterator[bytes]:
        """Yield what says that nothing more comes."""
        ...

    def failure(self, error: ChatError) -> Iterator[bytes]:
        """Yield what ends a stream that failed."""
        ...

    def failed(self, error: ChatError) -> object:
        """Return a whole answer that failed, though its HTTP status is 200."""
        ...


class ApiRequest(Protocol):
    """A valid request."""

    @property
    def model(self) -> str:
        """The name as sent, which may contain a fault."""
        ...

    @property
    def is_stream(self) -> bool:
        """Whether the answer is to be streamed."""
        ...

    @property
    def cache_marks(self) -> frozenset[int] | None:
        """The blocks of the prompt at whose ends the caller wants it cached; None: all of it is."""
        ...

    def prompt(self, *, name: str) -> Prompt:
        """Return the prompt for the model with the bare `name`."""
        ...

    def writer(self, *, name: str, created: int) -> AnswerWriter:
        """Return the writer of the answer; equal requests get the same ids."""
        ...


class Parse(Protocol):
    """Reads the body of a request; raises ChatError."""

    def __call__(self, raw: bytes, dialect: Dialect) -> ApiRequest:
        """Return a valid request."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedApi:
    """One API: where it is below the base URL, and how its requests are read."""

    path: str
    parse: Parse
    counting: "Counting | None" = None
    """How the tokens of a prompt are counted without an answer; None: not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """An endpoint that counts the tokens of a prompt."""

    path: str
    parse: Parse
    more: Json
    """What is beside `input_tokens` in a count."""


def json_object(raw: bytes) -> dict[str, object]:
    """Return the body of a request; raises ChatError where it is no JSON object."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise ChatError(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ChatError(400, "the body is not a JSON object")
    return body


def named_event(event: Mapping[str, object]) -> bytes:
    """Return an event that has its type twice: before its data, and in it."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
