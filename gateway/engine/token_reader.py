"""Splits the tokens of one answer into what its caller is sent."""

import codecs
from dataclasses import dataclass, field

from gateway.domain.answer import FinishReason, ToolCallDelta
from gateway.engine.interfaces import CallReading
from gateway.engine.text import TextStream
from gateway.engine.thinking.thinking_reader import ThinkingPiece, ThinkingReader


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPiece:
    """What may be sent after a token; said in this order: reasoning, text, calls of tools."""

    text: str = field(default="", repr=False)
    reasoning: str = field(default="", repr=False)
    tool_calls: tuple[ToolCallDelta, ...] = field(default=(), repr=False)


class TokenReader:
    """Reads the tokens of one answer, in order; used by the thread that owns the model."""

    def __init__(
        self,
        stop: tuple[str, ...],
        *,
        thinking: ThinkingReader | None = None,
        calls: CallReading | None = None,
    ) -> None:
        self._thinking = thinking
        self._calls = calls
        self._thoughts = codecs.getincrementaldecoder("utf-8")(errors="replace")
        own_end = "" if thinking is None else thinking.answer_end
        self._own_end = "" if own_end in stop else own_end
        self._text = TextStream((*stop, self._own_end))

    def push(self, token: int, piece: bytes) -> AnswerPiece:
        """Take the next token and its bytes; return what may be sent now."""
        if self._thinking is None or self._thinking.is_over:
            return self._answered(token, piece)
        return self._piece(self._thinking.push(token, piece))

    def finish(self) -> AnswerPiece:
        """Return what was held back, after the last token."""
        last = AnswerPiece() if self._thinking is None else self._piece(self._thinking.finish())
        text, calls = ("", ()) if self._calls is None else self._calls.finish()
        text = last.text + self._text.push(text.encode()) + self._text.finish()
        return AnswerPiece(reasoning=last.reasoning, text=text, tool_calls=(*last.tool_calls, *calls))

    def _piece(self, found: ThinkingPiece) -> AnswerPiece:
        pieces = [self._answered(*each) for each in found.answer]
        return AnswerPiece(
            reasoning=self._thoughts.decode(bytes(found.reasoning)),
            text="".join(piece.text for piece in pieces),
            tool_calls=tuple(delta for piece in pieces for delta in piece.tool_calls),
        )

    def _answered(self, token: int, piece: bytes) -> AnswerPiece:
        """Take a token of the answer, whose text and calls are told apart before stop strings are sought."""
        if self._calls is None:
            return AnswerPiece(text=self._text.push(piece))
        text, calls = self._calls.push(token, piece)
        text = self._text.push(text.encode())
        if calls:  # No text follows them, so that what could begin a stop string is text.
            text += self._text.finish()
        return AnswerPiece(text=text, tool_calls=calls)

    @property
    def end(self) -> FinishReason | None:
        """Why the answer ends here, whatever the model would add; None: it does not."""
        if not self._text.is_stopped:
            return FinishReason.TOOL_CALLS if self._calls is not None and self._calls.is_over else None
        return FinishReason.STOP if self._is_own_end else FinishReason.STOP_SEQUENCE

    @property
    def stop_sequence(self) -> str:
        """The stop string that ended the text; "" if none did."""
        return "" if self._is_own_end else self._text.met

    @property
    def _is_own_end(self) -> bool:
        return bool(self._own_end) and self._text.met == self._own_end

    @property
    def reasoning_tokens(self) -> int:
        """Tokens so far that were reasoning."""
        return 0 if self._thinking is None else self._thinking.reasoning_tokens

    @property
    def is_answering(self) -> bool:
        """Whether all tokens from here on are the answer's, so that a constraint holds."""
        return self._thinking is None or self._thinking.is_answering

    @property
    def is_shown(self) -> bool:
        """Whether the last token is the answer's."""
        return self._thinking is None or (self._thinking.is_over and not self._thinking.took_tag)

    @property
    def is_around_calls(self) -> bool:
        """Whether the last token is of calls, but of no name and no value in them."""
        return self._calls is not None and self._calls.is_around_calls

    @property
    def is_undecided(self) -> bool:
        """Whether the last tokens may yet turn out to be the answer's, or not."""
        return self._thinking is not None and self._thinking.is_undecided

    @property
    def took_tag(self) -> bool:
        """Whether the last token was part of a tag, so that it does not end the answer."""
        return self._thinking is not None and self._thinking.took_tag

    def forced(self) -> tuple[int, ...]:
        """Return the tokens that must come next; see `ThinkingReader.forced`."""
        return () if self._thinking is None else self._thinking.forced()

    def steer(self, token: int, piece: bytes, *, is_end: bool) -> tuple[int, ...] | None:
        """Return the tokens to take in place of a sampled one; see `ThinkingReader.steer`."""
        return None if self._thinking is None else self._thinking.steer(token, piece, is_end=is_end)
