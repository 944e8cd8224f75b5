"""The chunks of a streamed chat completion, as strict readers want them.

Every chunk has the same id, created and model, and `choices`. The first has the role. A chunk says one thing
of one call; id and name of a call come once, with "" as its first arguments.
"""

from collections.abc import Iterator
from typing import Any

from gateway.domain.answer import Answer, Delta, ReasoningDelta, TokenLogprob, ToolCallDelta
from gateway.server.http.chat.answer_body import FINISH_REASONS, head_of, logprobs_of, usage_of
from gateway.server.http.chat.error_body import error_of
from gateway.server.http.chat.thoughts import sealed_thought, with_signature
from gateway.server.http.compact_json import compact_json
from gateway.server.http.dialect import Served
from gateway.server.http.gateway_object import gateway_member
from gateway.server.http.http_error import HttpError

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"


class ChatChunks:
    """Writes the chunks of one completion, an EventWriter."""

    def __init__(self, served: Served, *, includes_usage: bool) -> None:
        self._served = served
        self._includes_usage = includes_usage
        self._maker = ""
        """The model that makes the present piece: another than the head's where one goes on for it."""
        self._head = ""
        """What every chunk begins with, up to its own members."""
        self._thoughts = 0
        """How many have ended."""
        self._thought_chars = 0
        """Of the one that goes on."""
        self._begun_calls = 0
        self._is_custom = False
        """Whether the call that goes on takes free text."""

    def begin(self, model: str, *, prompt_tokens: int) -> bytes:
        """Return the chunk with the role; the prompt's tokens are told at the end."""
        self._maker = model
        head = compact_json(head_of(self._served, model, kind="chat.completion.chunk"))
        self._head = f"data: {head[:-1]},"
        return self._choice({"role": "assistant", "content": ""})

    def delta(self, delta: Delta) -> bytes:
        """Return the chunks of a piece; log probabilities are in the last of them."""
        pieces = list(self._pieces(delta))
        if delta.logprobs:
            last = pieces.pop() if pieces else {}
            return b"".join(map(self._choice, pieces)) + self._choice(last, logprobs=delta.logprobs)
        return b"".join(map(self._choice, pieces))

    def end(self, answer: Answer) -> bytes:
        """Return the finish, the usage where it is wanted, and the word that nothing follows."""
        chunks = b"".join(map(self._choice, self._end_of_thought()))
        finish = {"index": 0, "delta": {}, "logprobs": None}
        finish["finish_reason"] = FINISH_REASONS[answer.finish_reason]
        chunks += self._chunk({"choices": [finish]} | gateway_member(answer, self._served))
        if self._includes_usage and answer.usage is not None:
            chunks += self._chunk({"choices": [], "usage": usage_of(answer.usage)})
        return chunks + DONE

    def error(self, error: HttpError) -> bytes:
        """Return the event that makes clients raise."""
        return f"data: {compact_json(error_of(error))}\n\n".encode()

    def ping(self) -> bytes:
        """Return a comment, which clients skip."""
        return PING

    def _pieces(self, delta: Delta) -> Iterator[dict[str, Any]]:
        """Yield the `delta` of each chunk."""
        if delta.reasoning is None or delta.model != self._maker:
            yield from self._end_of_thought()
        self._maker = delta.model
        if delta.reasoning is not None:
            yield from self._thought(delta.reasoning)
        elif delta.tool_call is not None:
            for call in self._call(delta.tool_call):
                yield {"tool_calls": [call]}
        elif delta.text:
            yield {"content": delta.text}

    def _thought(self, thought: ReasoningDelta) -> Iterator[dict[str, Any]]:
        if thought.text:
            self._thought_chars += len(thought.text)
            yield {"reasoning_content": thought.text}
        if thought.opaque:
            yield self._sealed(thought.opaque)

    def _end_of_thought(self) -> Iterator[dict[str, Any]]:
        """Yield the item of a thought that ends without anything that its model wants back."""
        if self._thought_chars:
            yield self._sealed(b"")

    def _sealed(self, opaque: bytes) -> dict[str, Any]:
        item = sealed_thought(self._maker, opaque, index=self._thoughts, chars=self._thought_chars)
        self._thoughts, self._thought_chars = self._thoughts + 1, 0
        return {"reasoning_details": [item]}

    def _call(self, call: ToolCallDelta) -> Iterator[dict[str, Any]]:
        begins = call.index == self._begun_calls
        if begins:
            self._is_custom = call.is_custom
            self._begun_calls += 1
        kind, said = ("custom", "input") if self._is_custom else ("function", "arguments")
        if begins:
            yield {"index": call.index, "id": call.id, "type": kind, kind: {"name": call.name, said: ""}}
        piece = call.input if self._is_custom else call.arguments_json
        if piece or call.opaque:  # Clients want the member of its kind in every piece.
            yield with_signature({"index": call.index, kind: {said: piece}}, self._maker, call.opaque)

    def _choice(self, delta: dict[str, Any], *, logprobs: tuple[TokenLogprob, ...] = ()) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs_of(logprobs), "finish_reason": None}
        return self._chunk({"choices": [choice]})

    def _chunk(self, members: dict[str, Any]) -> bytes:
        return f"{self._head}{compact_json(members)[1:]}\n\n".encode()
