"""The kinds of items of a response's output, each with the events that say how it grows."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from gateway.domain.answer import Delta, TokenLogprob, ToolCallDelta
from gateway.server.http.chat.thoughts import with_signature
from gateway.server.http.opaque import wrap

Event = tuple[str, dict[str, Any]]
"""Its type, and its members but `type` and `sequence_number`."""


class OutputItem(Protocol):
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


class TextItem:
    """A message of the model."""

    def __init__(self, item_id: str) -> None:
        self._at = {"item_id": item_id, "content_index": 0}
        self._texts: list[str] = []
        self._logprobs: list[dict[str, Any]] = []

    def takes(self, delta: Delta) -> bool:
        """Say whether it is a piece of this item."""
        return delta.reasoning is None and delta.tool_call is None

    def begin(self) -> Iterator[Event]:
        """Yield the events before the first piece."""
        yield "response.content_part.added", {**self._at, "part": self._part()}

    def add(self, delta: Delta) -> Iterator[Event]:
        """Take a piece."""
        logprobs = logprobs_of(delta.logprobs)
        self._texts.append(delta.text)
        self._logprobs += logprobs
        yield "response.output_text.delta", {**self._at, "delta": delta.text, "logprobs": logprobs}

    def end(self) -> Iterator[Event]:
        """Yield the events after the last piece."""
        part = self._part()
        done = {**self._at, "text": part["text"], "logprobs": self._logprobs}
        yield "response.output_text.done", done
        yield "response.content_part.done", {**self._at, "part": part}

    def item(self, status: str) -> dict[str, Any]:
        """Return the item as it is now."""
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


class ThoughtItem:
    """What the model thought, as a summary; `encrypted_content` says whose it is, and what it wants back."""

    def __init__(self, item_id: str, model: str) -> None:
        self._model = model
        self._id = item_id
        self._at = {"item_id": item_id, "summary_index": 0}
        self._texts: list[str] = []
        self._opaque: bytes | None = None

    def takes(self, delta: Delta) -> bool:
        """Say whether it is a piece of this item."""
        return delta.reasoning is not None and self._opaque is None

    def begin(self) -> Iterator[Event]:
        """Yield the events before the first piece."""
        yield from ()

    def add(self, delta: Delta) -> Iterator[Event]:
        """Take a piece."""
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
        """Yield the events after the last piece."""
        if self._texts:
            part = self._part()
            yield "response.reasoning_summary_text.done", {**self._at, "text": part["text"]}
            yield "response.reasoning_summary_part.done", {**self._at, "part": part}

    def item(self, status: str) -> dict[str, Any]:
        """Return the item as it is now."""
        item: dict[str, Any] = {"id": self._id, "type": "reasoning", "status": status}
        item["summary"] = [self._part()] if self._texts else []
        if status != "in_progress":
            item["encrypted_content"] = wrap(self._model, self._opaque or b"")
        return item

    def _part(self) -> dict[str, Any]:
        return {"type": "summary_text", "text": "".join(self._texts)}


class _Call:
    """A call of a tool; what its model wants back with it is where chat completions have it, too."""

    kind = ""
    prefix = ""
    said = ""
    """The member that holds what the tool is given."""

    def __init__(self, number: str, call: ToolCallDelta, *, name: str, namespace: str, model: str) -> None:
        self._index = call.index
        self._id = f"{self.prefix}_{number}"
        self._names = {"name": name} | ({"namespace": namespace} if namespace else {})
        self._call_id = call.id
        self._model = model
        self._pieces: list[str] = []
        self._opaque = b""

    def takes(self, delta: Delta) -> bool:
        return delta.tool_call is not None and delta.tool_call.index == self._index

    def begin(self) -> Iterator[Event]:
        yield from ()

    def add(self, delta: Delta) -> Iterator[Event]:
        assert delta.tool_call is not None
        self._opaque = delta.tool_call.opaque or self._opaque
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
        item = {
            "id": self._id,
            "type": self.kind,
            "status": status,
            "call_id": self._call_id,
            **self._names,
            self.said: "".join(self._pieces),
        }
        return with_signature(item, self._model, self._opaque)


class FunctionCallItem(_Call):
    """A call of a function."""

    kind = "function_call"
    prefix = "fc"
    said = "arguments"


class CustomCallItem(_Call):
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
