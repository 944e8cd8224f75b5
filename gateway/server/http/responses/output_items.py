"""The output of a response: built piece by piece, with the events that say so."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.domain.answer import Delta
from gateway.server.http.dialect import Served
from gateway.server.http.responses.item_kinds import (
    CustomCallItem,
    Event,
    FunctionCallItem,
    OutputItem,
    TextItem,
    ThoughtItem,
)


class OutputItems:
    """The output of one response."""

    def __init__(self, served: Served, *, model: str, names: Mapping[str, tuple[str, str]]) -> None:
        self._id = served.request_id
        self._model = model
        self._names = names
        """Of tools in namespaces, by the names that models see."""
        self._items: list[OutputItem] = []
        self._is_open = False

    def add(self, delta: Delta) -> Iterator[Event]:
        """Take a piece, and yield the events of it; a new item ends the one before."""
        if not (self._is_open and self._items[-1].takes(delta)):
            if delta.reasoning is None and delta.tool_call is None and not delta.text:
                return  # Log probabilities alone: only a text has a place for them.
            yield from self.end()
            self._items.append(self._begun(delta))
            self._is_open = True
            yield self._told("response.output_item.added", "in_progress")
            yield from self._placed(self._items[-1].begin())
        yield from self._placed(self._items[-1].add(delta))

    def end(self, status: str = "completed") -> Iterator[Event]:
        """Yield the events that end the last item."""
        if self._is_open:
            self._is_open = False
            yield from self._placed(self._items[-1].end())
            yield self._told("response.output_item.done", status)

    def output(self, status: str) -> list[dict[str, Any]]:
        """Return all items; the status is that of the last one, at which the answer may have been cut."""
        last = len(self._items) - 1
        return [each.item(status if i == last else "completed") for i, each in enumerate(self._items)]

    def _begun(self, delta: Delta) -> OutputItem:
        number = f"{self._id}_{len(self._items)}"
        if delta.reasoning is not None:
            return ThoughtItem(f"rs_{number}", self._model)
        if delta.tool_call is None:
            return TextItem(f"msg_{number}")
        call = delta.tool_call
        namespace, name = self._names.get(call.name, ("", call.name))
        kind = CustomCallItem if call.is_custom else FunctionCallItem
        return kind(number, call, name=name, namespace=namespace, model=self._model)

    def _told(self, event: str, status: str) -> Event:
        index = len(self._items) - 1
        return event, {"output_index": index, "item": self._items[-1].item(status)}

    def _placed(self, events: Iterator[Event]) -> Iterator[Event]:
        for event, members in events:
            yield event, {"output_index": len(self._items) - 1, **members}
