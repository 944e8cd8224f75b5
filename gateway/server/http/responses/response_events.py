"""The events of a streamed response; each has its place in the sequence."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.domain.answer import Answer, Delta
from gateway.server.http.chat.error_body import error_of
from gateway.server.http.compact_json import compact_json
from gateway.server.http.dialect import Body, Served
from gateway.server.http.http_error import HttpError
from gateway.server.http.responses.item_kinds import Event
from gateway.server.http.responses.namespaces import names_of
from gateway.server.http.responses.output_items import OutputItems
from gateway.server.http.responses.response_body import begun, ended, status_of


class ResponseEvents:
    """Writes the events of one response, an EventWriter."""

    def __init__(self, body: Body, served: Served) -> None:
        self._body = body
        self._served = served
        self._items = OutputItems(served, model="", names={})
        self._sent = 0

    def begin(self, model: str, *, prompt_tokens: int) -> bytes:
        """Return the events before the first item; the prompt's tokens are told at the end."""
        self._items = OutputItems(self._served, model=model, names=names_of(self._body))
        response = {"response": begun(model, self._body, self._served)}
        return self._events([("response.created", response), ("response.in_progress", response)])

    def delta(self, delta: Delta) -> bytes:
        """Return the events of a piece."""
        return self._events(self._items.add(delta))

    def end(self, answer: Answer) -> bytes:
        """Return the end of the last item, and the whole response."""
        status = status_of(answer)
        events = self._events(self._items.end(status))
        response = ended(answer, self._body, self._served, output=self._items.output(status))
        return events + self._events([(f"response.{status}", {"response": response})])

    def error(self, error: HttpError) -> bytes:
        """Return the event of an error: flat as documented, and nested, without which SDKs do not raise."""
        shown = error_of(error)
        flat = {name: shown["error"][name] for name in ("code", "message", "param")}
        return self._events([("error", {**flat, **shown})])

    def ping(self) -> bytes:
        """Return a comment, which clients skip."""
        return b": ping\n\n"

    def _events(self, events: Iterable[Event]) -> bytes:
        return b"".join(self._event(event, members) for event, members in events)

    def _event(self, event: str, members: Mapping[str, Any]) -> bytes:
        number = self._sent
        self._sent += 1
        data = {"type": event, "sequence_number": number, **members}
        return f"event: {event}\ndata: {compact_json(data)}\n\n".encode()
