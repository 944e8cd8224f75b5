"""The events of a stream as Anthropic's clients read them: blocks that begin, grow and stop, one by one."""

from typing import Final, Literal

from gateway.domain.answer import Answer, Delta, ReasoningDelta, ToolCallDelta, Usage
from gateway.server.http.compact_json import compact_json
from gateway.server.http.dialect import Body, Served
from gateway.server.http.gateway_object import gateway_member
from gateway.server.http.http_error import HttpError
from gateway.server.http.messages.answer_blocks import (
    Json,
    empty_message,
    ending_of,
    signature_block,
    usage_object_of,
    usage_of,
)
from gateway.server.http.messages.error_types import error_object
from gateway.server.http.opaque import wrap

_PING: Final[Json] = {"type": "ping"}


class MessageEvents:
    """Writes one stream; no `message_stop` but after a whole answer."""

    def __init__(self, body: Body, served: Served) -> None:
        self._body = body
        self._served = served
        self._model = ""
        self._index = 0
        self._open: Literal["text", "thinking", "tool_use"] | None = None
        self._call = -1
        """The call that came last."""
        self._call_id = ""
        self._late_opaque = b""
        """What came of a call's signature after its block had begun."""

    def begin(self, model: str, *, prompt_tokens: int) -> bytes:
        """Begin the message of a model; the counts are estimates until its end."""
        self._model = model
        usage = usage_object_of(Usage(prompt_tokens=prompt_tokens, completion_tokens=0))
        return _event({
            "type": "message_start",
            "message": empty_message(self._served, model) | {"usage": usage},
        })  # fmt: skip

    def delta(self, delta: Delta) -> bytes:
        """Go on with a piece."""
        self._model = delta.model or self._model
        events = b""
        if delta.reasoning is not None:
            events += self._think(delta.reasoning)
        if delta.text:
            events += self._switch("text", {"text": ""})
            events += self._piece({"type": "text_delta", "text": delta.text})
        if delta.tool_call is not None:
            events += self._call_tool(delta.tool_call)
        return events

    def end(self, answer: Answer) -> bytes:
        """End well."""
        ending = {"type": "message_delta", "delta": ending_of(answer, self._body), "usage": usage_of(answer)}
        member = gateway_member(answer, self._served)
        return self._close() + _event(ending | member) + _event({"type": "message_stop"})

    def error(self, error: HttpError) -> bytes:
        """Say that no more comes."""
        return _event(error_object(error))

    def ping(self) -> bytes:
        """Say that nothing has happened."""
        return _event(_PING)

    def _think(self, thought: ReasoningDelta) -> bytes:
        """Go on with a thought; what its provider wants back ends it."""
        events = self._switch("thinking", {"thinking": "", "signature": ""})
        if thought.text:
            events += self._piece({"type": "thinking_delta", "thinking": thought.text})
        return events + (self._close(thought.opaque) if thought.opaque else b"")

    def _call_tool(self, call: ToolCallDelta) -> bytes:
        events, opaque = b"", call.opaque
        if call.index != self._call:
            events += self._close()
            self._call, self._call_id = call.index, call.id
            if opaque:
                events += self._whole(signature_block(call.id, self._model, opaque))
                opaque = b""
            events += self._begin("tool_use", {"id": call.id, "name": call.name, "input": {}})
            events += self._piece({"type": "input_json_delta", "partial_json": ""})
        self._late_opaque += opaque
        if call.arguments_json:
            events += self._piece({"type": "input_json_delta", "partial_json": call.arguments_json})
        return events

    def _switch(self, kind: Literal["text", "thinking"], empty: Json) -> bytes:
        return b"" if self._open == kind else self._close() + self._begin(kind, empty)

    def _begin(self, kind: Literal["text", "thinking", "tool_use"], empty: Json) -> bytes:
        self._open = kind
        return self._start({"type": kind, **empty})

    def _close(self, opaque: bytes = b"") -> bytes:
        """Stop the block that is open; a thought is signed with the name of its model."""
        kind, self._open = self._open, None
        if kind is None:
            return b""
        events = b""
        if kind == "thinking":
            events += self._piece({"type": "signature_delta", "signature": wrap(self._model, opaque)})
        events += self._stop()
        if self._late_opaque:
            events += self._whole(signature_block(self._call_id, self._model, self._late_opaque))
            self._late_opaque = b""
        return events

    def _whole(self, block: Json) -> bytes:
        return self._start(block) + self._stop()

    def _start(self, block: Json) -> bytes:
        return _event({"type": "content_block_start", "index": self._index, "content_block": block})

    def _piece(self, delta: Json) -> bytes:
        return _event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _stop(self) -> bytes:
        self._index += 1
        return _event({"type": "content_block_stop", "index": self._index - 1})


def _event(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: {compact_json(data)}\n\n".encode()
