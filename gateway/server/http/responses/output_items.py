"""The items of a response's output: built piece by piece, with the events that say so."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from gateway.domain.answer import Delta, TokenLogprob, ToolCallDelta
from gateway.server.http.dialect import Served
from gateway.server.http.opaque import wrap

Event = tuple[str, dict[str, Any]]
"""Its type, and its members but `type` and `sequence_number`."""


class _Item(Protocol):
    """An item that grows."""

    def takes(self, delta: Delta) -> bool:
        """Say whether a piece belongs to it."""
        ...

    def begin(self) -> Iterator[Event]:
        """Yield the events before its first piece."""
        ...

    def add(self, delta: Delta) -> Iterator[Event]:
        """Take a piece."""
        ...

    def end(self) -> Iterator[Event]:
        """Yield the events after its last piece."""
        ...

    def item(self, status: str) -> dict[str, Any]:
        """Return it as it is now."""
        ...


class OutputItems:
    """The output of one response."""

    def __init__(self, served: Served, *, model: str, names: Mapping[str, tuple[str, str]]) -> None:
        self._id = served.request_id
        self._model = model
        self._names = names
        """Of tools in namespaces, by the names that models see."""
        self._items: list[_Item] = []
        self._is_open = False

    def add(self, delta: Delta) -> Iterator[Event]:
        """Take a piece, and yield the events of it; a new item ends the one before."""
        if not (self._is_open and self._items[-1].takes(delta)):
            yield from self.end()
            self._items.append(self._begun(delta))
            self._is_open = True
            yield self._told("response.output_item.added", "in_progress")
            yield from self._placed(self._items[-1].begin())
        yield from self._placed(self._items[-1].add(delta))

    def end(self) -> Iterator[Event]:
        """Yield the events that end the last item."""
        if self._is_open:
            self._is_open = False
            yield from self._placed(self._items[-1].end())
            yield self._told("response.output_item.done", "completed")

    def output(self) -> list[dict[str, Any]]:
        """Return all items."""
        return [each.item("completed") for each in self._items]

    def _begun(self, delta: Delta) -> _Item:
        number = f"{self._id}_{len(self._items)}"
        if delta.reasoning is not None:
            return _Thought(f"rs_{number}", self._model)
        if delta.tool_call is None:
            return _Text(f"msg_{number}")
        call = delta.tool_call
        namespace, name = self._names.get(call.name, ("", call.name))
        kind = _CustomCall if call.is_custom else _FunctionCall
        return kind(number, call, name=name, namespace=namespace)

    def _told(self, event: str, status: str) -> Event:
        index = len(self._items) - 1
        return event, {"output_index": index, "item": self._items[-1].item(status)}

    def _placed(self, events: Iterator[Event]) -> Iterator[Event]:
        for event, members in events:
            yield event, {"output_index": len(self._items) - 1, **members}


class _Text:
    """A message of the model."""

    def __init__(self, item_id: str) -> None:
        self._at = {"item_id": item_id, "content_index": 0}
        self._texts: list[str] = []
        self._logprobs: list[dict[str, Any]] = []

    def takes(self, delta: Delta) -> bool:
        return delta.reasoning is None and delta.tool_call is None

    def begin(self) -> Iterator[Event]:
        yield "response.content_part.added", {**self._at, "part": self._part()}

    def add(self, delta: Delta) -> Iterator[Event]:
        logprobs = logprobs_of(delta.logprobs)
        self._texts.append(delta.text)
        self._logprobs += logprobs
        yield "response.output_text.delta", {**self._at, "delta": delta.text, "logprobs": logprobs}

    def end(self) -> Iterator[Event]:
        part = self._part()
        done = {**self._at, "text": part["text"], "logprobs": self._logprobs}
        yield "response.output_text.done", done
        yield "response.content_part.done", {**self._at, "part": part}

    def item(self, status: str) -> dict[str, Any]:
        content = [self._part()] if self._texts else []
        return {
            "id": self._at["item_id"],
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _part(self) -> dict[str, Any]:
        return {
            "type": "output_text",
            "text": "".join(self._texts),
            "annotations": [],
            "logprobs": self._logprobs,
        }


class _Thought:
    """What the model thought, as a summary; `encrypted_content` says whose it is, and what it wants back."""

    def __init__(self, item_id: str, model: str) -> None:
        self._model = model
        self._id = item_id
        self._at = {"item_id": item_id, "summary_index": 0}
        self._texts: list[str] = []
        self._opaque: bytes | None = None

    def takes(self, delta: Delta) -> bool:
        return delta.reasoning is not None and self._opaque is None

    def begin(self) -> Iterator[Event]:
        yield from ()

    def add(self, delta: Delta) -> Iterator[Event]:
        assert delta.reasoning is not None
        text = delta.reasoning.text
        if delta.reasoning.opaque:
            self._opaque = delta.reasoning.opaque
        if not text:
            return
        if not self._texts:
            yield "response.reasoning_summary_part.added", {**self._at, "part": self._part()}
        self._texts.append(text)
        yield "response.reasoning_summary_text.delta", {**self._at, "delta": text}

    def end(self) -> Iterator[Event]:
        if self._texts:
            part = self._part()
            yield "response.reasoning_summary_text.done", {**self._at, "text": part["text"]}
            yield "response.reasoning_summary_part.done", {**self._at, "part": part}

    def item(self, status: str) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self._id, "type": "reasoning", "status": status}
        item["summary"] = [self._part()] if self._texts else []
        if status == "completed":
            item["encrypted_content"] = wrap(self._model, self._opaque or b"")
        return item

    def _part(self) -> dict[str, Any]:
        return {"type": "summary_text", "text": "".join(self._texts)}


class _Call:
    """A call of a tool."""

    kind = ""
    prefix = ""
    said = ""
    """The member that holds what the tool is given."""

    def __init__(self, number: str, call: ToolCallDelta, *, name: str, namespace: str) -> None:
        self._index = call.index
        self._id = f"{self.prefix}_{number}"
        self._names = {"name": name} | ({"namespace": namespace} if namespace else {})
        self._call_id = call.id
        self._pieces: list[str] = []

    def takes(self, delta: Delta) -> bool:
        return delta.tool_call is not None and delta.tool_call.index == self._index

    def begin(self) -> Iterator[Event]:
        yield from ()

    def add(self, delta: Delta) -> Iterator[Event]:
        assert delta.tool_call is not None
        piece = delta.tool_call.input or delta.tool_call.arguments_json
        if piece:
            self._pieces.append(piece)
            yield f"response.{self.kind}_{self.said}.delta", {"item_id": self._id, "delta": piece}

    def end(self) -> Iterator[Event]:
        done = {"item_id": self._id, self.said: "".join(self._pieces)}
        if self.said == "arguments":
            done["name"] = self._names["name"]
        yield f"response.{self.kind}_{self.said}.done", done

    def item(self, status: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": self.kind,
            "status": status,
            "call_id": self._call_id,
            **self._names,
            self.said: "".join(self._pieces),
        }


class _FunctionCall(_Call):
    """A call of a function."""

    kind = "function_call"
    prefix = "fc"
    said = "arguments"


class _CustomCall(_Call):
    """A call of a custom tool, which takes any text."""

    kind = "custom_tool_call"
    prefix = "ctc"
    said = "input"


def logprobs_of(logprobs: Sequence[TokenLogprob]) -> list[dict[str, Any]]:
    """Return log probabilities of tokens as the Responses API has them."""
    return [
        {
            "token": each.token,
            "logprob": each.logprob,
            "bytes": list(each.token_bytes),
            "top_logprobs": [
                {"token": one.token, "logprob": one.logprob, "bytes": list(one.token_bytes)}
                for one in each.top
            ],
        }
        for each in logprobs
    ]


def event_bytes(event: str, members: Mapping[str, Any], *, number: int) -> bytes:
    """Return an event as it is sent."""
    data = {"type": event, "sequence_number": number, **members}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event}\ndata: {text}\n\n".encode()
