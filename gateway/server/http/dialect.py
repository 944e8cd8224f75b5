"""What a dialect of HTTP is asked for: to read a request, and to write an answer, a stream, an error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.domain.answer import Answer, Delta
from gateway.domain.request import Request
from gateway.policy.http import HttpPolicy
from gateway.server.http.http_error import HttpError

Body = Mapping[str, Any]
"""The JSON object of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What an answer says of its request, the same in every event of a stream."""

    request_id: str
    created_unix_s: int
    shows_decision: bool
    """Whether the caller asked for the decision in the body."""


class EventWriter(Protocol):
    """Writes the events of one stream; each method returns the bytes that are sent, maybe none."""

    def begin(self, model: str, *, prompt_tokens: int) -> bytes:
        """Begin the answer of a model, before its first piece; the count of the prompt is an estimate."""
        ...

    def delta(self, delta: Delta) -> bytes:
        """Go on with a piece."""
        ...

    def end(self, answer: Answer) -> bytes:
        """End well."""
        ...

    def error(self, error: HttpError) -> bytes:
        """Say that no more comes; afterwards the connection is closed before the body's end."""
        ...

    def ping(self) -> bytes:
        """Say that nothing has happened."""
        ...


class HttpDialect(Protocol):
    """One of the ways to ask for an answer over HTTP; holds nothing of a request."""

    @property
    def method(self) -> str:
        """What logs, metrics and records call its calls."""
        ...

    def parse(self, body: Body, base: Request, section: HttpPolicy) -> Request:
        """Return the request: `base` holds what headers said. Raises InvalidRequest with the dialect's path.

        The result is checked afterwards by `server.validation`.
        """
        ...

    def whole(self, answer: Answer, body: Body, served: Served) -> Mapping[str, Any]:
        """Return the body of an answer in one piece."""
        ...

    def events(self, body: Body, served: Served) -> EventWriter:
        """Return the writer of a stream."""
        ...

    def error(self, error: HttpError) -> Mapping[str, Any]:
        """Return the body of an error."""
        ...

    def place(self, field: str, body: Body) -> str:
        """Return where in a request of this dialect a field of the contract is written, as far as known.

        `body` is empty where the request could not be read. Fields that are none of the contract stay as
        they are.
        """
        ...
