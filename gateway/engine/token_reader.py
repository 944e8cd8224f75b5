"""Splits the tokens of one answer into what its caller is sent."""

from dataclasses import dataclass, field

from gateway.domain.answer import FinishReason, ToolCallDelta
from gateway.engine.text import TextStream


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPiece:
    """What may be sent after a token; said in this order: reasoning, text, calls of tools."""

    text: str = field(default="", repr=False)
    reasoning: str = field(default="", repr=False)
    tool_calls: tuple[ToolCallDelta, ...] = field(default=(), repr=False)


class TokenReader:
    """Reads the tokens of one answer, in order; used by the thread that owns the model."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._text = TextStream(stop)
        self.reasoning_tokens = 0
        """Tokens so far that were reasoning."""

    def push(self, token: int, piece: bytes) -> AnswerPiece:
        """Take the next token and its bytes; return what may be sent now."""
        return AnswerPiece(text=self._text.push(piece))

    def finish(self) -> AnswerPiece:
        """Return what was held back, after the last token."""
        return AnswerPiece(text=self._text.finish())

    @property
    def end(self) -> FinishReason | None:
        """Why the answer ends here, whatever the model would add; None: it does not."""
        return FinishReason.STOP_SEQUENCE if self._text.is_stopped else None

    @property
    def stop_sequence(self) -> str:
        """The stop string that ended the text; "" if none did."""
        return self._text.met
