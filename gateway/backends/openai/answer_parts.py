"""The parts of one answer, text, thoughts and calls of tools, out of the messages or deltas of a provider."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer, check_bound, fewest_tokens, letters
from gateway.backends.http.finish import FinishMeaning
from gateway.backends.http.text_joiner import TextJoiner
from gateway.backends.openai.call_pieces import CallPiece
from gateway.backends.openai.calls import CallReader, entries_of
from gateway.backends.openai.json_prefix import may_become_object
from gateway.backends.openai.logprobs import logprobs_of
from gateway.backends.openai.text import MessageText
from gateway.backends.openai.thoughts import ThoughtReader
from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta, TokenLogprob, ToolCallDelta
from gateway.domain.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """What was asked for, as far as it tells how to read the answer."""

    tool_names: frozenset[str] = frozenset()
    call_ids: frozenset[str] = frozenset()
    """Those of the conversation."""
    has_logprobs: bool = False
    finish_words: Mapping[str, FinishMeaning] = field(default_factory=dict)
    """What the policy says of the provider's own words, by the word in small letters."""

    @classmethod
    def of(cls, request: Request, finish_words: Mapping[str, FinishMeaning]) -> "AnswerForm":
        """Return the form of the answer to a request."""
        return cls(
            tool_names=frozenset(tool.name for tool in request.config.tools),
            call_ids=frozenset(call.id for message in request.messages for call in message.tool_calls),
            has_logprobs=request.config.top_logprobs is not None,
            finish_words=finish_words,
        )


_PLAIN_FIELDS = frozenset({"role", "content"})
PLAIN_FORM = AnswerForm()
"""Of an answer to a question without tools."""


class AnswerParts:
    """Puts an answer together: add what comes, and end it. Raises UnreadableAnswer."""

    def __init__(
        self,
        bounds: AnswerBounds,
        form: AnswerForm,
        *,
        calls: CallReader | None = None,
        is_whole: bool = False,
    ) -> None:
        self.has_output = False
        """Whether anything was given out, be it a thought or a call."""
        self.has_spoken = False
        """Whether the model said or thought anything, or called a tool."""
        self.has_text = False
        self.has_thought = False
        self.is_refusal = False
        if calls is None:
            calls = CallReader(names=form.tool_names, used_ids=form.call_ids)
        self.calls = calls
        self._is_whole = is_whole
        """Whether the answer comes in one piece, in which each entry is a call."""
        self._bounds = bounds
        self._has_logprobs = form.has_logprobs
        self._text = TextJoiner()
        self._thought = TextJoiner()
        self._thoughts = ThoughtReader()
        self._chars = 0
        self._text_chars = 0
        self._letters = 0

    @property
    def fewest_tokens(self) -> int:
        """A number of tokens that the answer so far does not go below."""
        return max(self.has_spoken, fewest_tokens(self._text_chars, self._letters))

    def add_message(self, message: Mapping[str, object], said: MessageText, logprobs: object = None) -> Chunk:
        """Return what of a message, or delta, can be given out; `said` is what it says."""
        self.has_spoken = self.has_spoken or said.has_spoken
        self.is_refusal = self.is_refusal or said.is_refusal
        if _is_plain(message) and self._thoughts.is_outside and not self._has_logprobs:
            return self.add(text=said.text)
        thoughts, text = self._thoughts.take(message, said.text)
        return self.add(
            text=text,
            thoughts=thoughts,
            calls=entries_of(message),
            logprobs=logprobs_of(logprobs) if self._has_logprobs else (),
        )

    def add(
        self,
        *,
        text: str = "",
        thoughts: Iterable[ReasoningDelta] = (),
        calls: Iterable[CallPiece] = (),
        logprobs: tuple[TokenLogprob, ...] = (),
    ) -> Chunk:
        """Return what of a piece can be given out now."""
        told = tuple(self._joined_thoughts(thoughts))
        self._count(text, is_text=True)
        before = self.calls.told(settles=True) if len(self.calls) and (text or told) else ()
        joined = self._text.add(text) if text else ""
        self.has_text = self.has_text or bool(text)
        for piece in calls:
            self._count(piece.arguments + piece.input)
            self.calls.take(piece, is_whole=self._is_whole)
        told_calls = (*before, *self.calls.told()) if len(self.calls) else ()
        chunk = Chunk(text=joined, reasoning=told, tool_calls=told_calls, logprobs=logprobs)
        if not self.has_output:
            _check_first(chunk.tool_calls)
        self.has_output = self.has_output or chunk.has_output
        self.has_spoken = self.has_spoken or bool(text or told or len(self.calls))
        return chunk

    def end(self, finish_reason: FinishReason) -> Chunk:
        """Return the chunk that ends the answer, with why it ended by all that came."""
        is_cut = finish_reason in (FinishReason.LENGTH, FinishReason.CONTENT_FILTER)
        calls = self.calls.end(is_cut=is_cut)
        if calls.is_wrong and not self.has_output:
            raise UnreadableAnswer("the arguments of a call are not a JSON object")
        if self.is_refusal:
            finish_reason = FinishReason.CONTENT_FILTER
        elif not is_cut and calls.is_cut:
            finish_reason = FinishReason.LENGTH
        elif not is_cut and len(self.calls):
            finish_reason = FinishReason.TOOL_CALLS
        elif finish_reason is FinishReason.TOOL_CALLS:
            if not self.has_text:
                raise UnreadableAnswer("it ends with calls of tools and has none")
            finish_reason = FinishReason.STOP
        thought = self._thought.end(is_cut=is_cut)
        return Chunk(
            text=self._text.end(is_cut=finish_reason is FinishReason.LENGTH),
            reasoning=(ReasoningDelta(text=thought),) if thought else (),
            tool_calls=calls.pieces,
            finish_reason=finish_reason,
        )

    def _joined_thoughts(self, thoughts: Iterable[ReasoningDelta]) -> Iterable[ReasoningDelta]:
        for thought in thoughts:
            self._count(thought.text)
            self.has_thought = True
            text = self._thought.add(thought.text) if thought.text else ""
            if thought.opaque:
                text += self._thought.end(is_cut=False)
            if text or thought.opaque:
                yield ReasoningDelta(text=text, opaque=thought.opaque)

    def _count(self, text: str, *, is_text: bool = False) -> None:
        if text:
            self._chars += len(text)
            self._text_chars += len(text) if is_text else 0
            self._letters += letters(text)
            check_bound(self._chars, self._bounds.text_chars, "the text")


def _is_plain(message: Mapping[str, object]) -> bool:
    """Say whether a message has nothing but text: neither thoughts nor calls."""
    return message.keys() <= _PLAIN_FIELDS and isinstance(message.get("content") or "", str)


def merged(chunks: Sequence[Chunk]) -> Chunk:
    """Return pieces that follow each other as one, with the end of the last."""
    return Chunk(
        text="".join(chunk.text for chunk in chunks),
        reasoning=tuple(thought for chunk in chunks for thought in chunk.reasoning),
        tool_calls=tuple(call for chunk in chunks for call in chunk.tool_calls),
        finish_reason=chunks[-1].finish_reason if chunks else None,
        logprobs=tuple(each for chunk in chunks for each in chunk.logprobs),
    )


def _check_first(calls: tuple[ToolCallDelta, ...]) -> None:
    """Raise UnreadableAnswer for arguments that are wrong before anything was given out."""
    for call in calls:
        if call.arguments_json and call.name and not may_become_object(call.arguments_json):
            raise UnreadableAnswer("the arguments of a call are not a JSON object")
