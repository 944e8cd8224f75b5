"""Joins the pieces of an answer: into one piece, and into the message that a caller appends."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.domain.answer import (
    Chunk,
    FinishReason,
    ReasoningDelta,
    Reply,
    TokenConfidence,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from gateway.domain.conversation import Message, Part, Reasoning, Role, Text, ToolCall


class Assembly:
    """Collects the pieces of one answer."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[ReasoningDelta] = []
        self._calls: list[list[ToolCallDelta]] = []
        self._logprobs: list[TokenLogprob] = []
        self._vectors: list[bytes] = []
        self._certainties: list[TokenConfidence] = []
        self._finish_reason: FinishReason | None = None
        self._stop_sequence = ""
        self._usage: Usage | None = None

    def add(self, chunk: Chunk) -> None:
        """Take the next piece; raises ValueError for a call that goes on after the next one began."""
        if chunk.text:
            self._texts.append(chunk.text)
        self._thoughts += chunk.reasoning
        for delta in chunk.tool_calls:
            if delta.index == len(self._calls):
                self._calls.append([])
            elif delta.index != len(self._calls) - 1:
                raise ValueError("pieces of calls of tools interleave")
            self._calls[-1].append(delta)
        self._logprobs += chunk.logprobs
        self._certainties += chunk.certainties
        self._vectors += chunk.vectors
        self._finish_reason = chunk.finish_reason or self._finish_reason
        self._stop_sequence = chunk.stop_sequence or self._stop_sequence
        self._usage = chunk.usage or self._usage

    @property
    def is_whole(self) -> bool:
        """Whether the last piece has come."""
        return self._finish_reason is not None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """The log probabilities so far."""
        return tuple(self._logprobs)

    @property
    def vectors(self) -> tuple[bytes, ...]:
        """The vectors so far."""
        return tuple(self._vectors)

    @property
    def thoughts(self) -> tuple[ReasoningDelta, ...]:
        """The reasoning so far, thought by thought."""
        whole: list[ReasoningDelta] = []
        texts: list[str] = []
        for delta in self._thoughts:
            texts.append(delta.text)
            if delta.opaque:
                whole.append(ReasoningDelta(text="".join(texts), opaque=delta.opaque))
                texts.clear()
        if any(texts):
            whole.append(ReasoningDelta(text="".join(texts)))
        return tuple(whole)

    @property
    def calls(self) -> tuple[ToolCallDelta, ...]:
        """The calls of tools so far, each in one piece."""
        return tuple(map(_joined_call, self._calls))

    def chunk(self) -> Chunk:
        """Return all that came as one piece."""
        return Chunk(
            text=self.text,
            reasoning=self.thoughts,
            tool_calls=self.calls,
            finish_reason=self._finish_reason,
            stop_sequence=self._stop_sequence,
            usage=self._usage,
            certainties=tuple(self._certainties),
            logprobs=self.logprobs,
            vectors=self.vectors,
        )

    def reply(self) -> Reply:
        """Return the whole answer; raises ValueError for one that has not ended."""
        if self._finish_reason is None:
            raise ValueError("an answer without a finish reason is not whole")
        return Reply(
            text=self.text,
            finish_reason=self._finish_reason,
            stop_sequence=self._stop_sequence,
            usage=self._usage,
            reasoning=self.thoughts,
            tool_calls=self.calls,
            logprobs=self.logprobs,
            vectors=self.vectors,
        )

    def message(self, model: str) -> Message:
        """Return what a caller appends to the conversation; `model` made it."""
        text = self.text
        parts: list[Part] = [
            Reasoning(text=each.text, model=model, opaque=each.opaque) for each in self.thoughts
        ]
        if text and (parts or self._calls):
            parts.append(Text(text))
        parts += (_tool_call(call, model) for call in self.calls)
        if parts:
            return Message(role=Role.ASSISTANT, parts=tuple(parts))
        return Message(role=Role.ASSISTANT, content=text)


def assembled(chunks: Iterable[Chunk]) -> Assembly:
    """Return an assembly of all the pieces."""
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(chunk)
    return assembly


def _joined_call(pieces: list[ToolCallDelta]) -> ToolCallDelta:
    return replace(
        pieces[0],
        arguments_json="".join(piece.arguments_json for piece in pieces),
        input="".join(piece.input for piece in pieces),
        arguments_invalid=any(piece.arguments_invalid for piece in pieces),
        opaque=b"".join(piece.opaque for piece in pieces),
    )


def _tool_call(call: ToolCallDelta, model: str) -> ToolCall:
    return ToolCall(
        id=call.id,
        name=call.name,
        arguments_json=call.arguments_json,
        input=call.input,
        is_custom=call.is_custom,
        arguments_invalid=call.arguments_invalid,
        opaque=call.opaque,
        model=model if call.opaque else "",
    )
