"""Reading an answer of the Messages API, whole or in events: no part of it is passed over."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from gateway.backends.anthropic.blocks import (
    AnswerBlock,
    Block,
    CallBlock,
    TextBlock,
    block_of,
    joined,
    text_of,
)
from gateway.backends.anthropic.tools import ReplyForm
from gateway.backends.anthropic.usage import UsageCounter
from gateway.backends.http.bounds import AnswerBounds, UnreadableAnswer, check_bound, fewest_tokens, letters
from gateway.backends.http.events import parse_json
from gateway.backends.http.finish import FAILED, ending_of
from gateway.backends.http.reading import FINISH_UNKNOWN, USAGE_IMPOSSIBLE, ErrorEvent
from gateway.domain.answer import Chunk, FinishReason, Reply
from gateway.domain.assembly import assembled

Json = Mapping[str, object]

UNFINISHED: Final = "pause_turn"
"""The stop reason of an answer that is not finished; only the provider's own tools bring it about."""
_PIECES: Final[Mapping[str, str]] = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}
"""The field of each type of delta that has a piece of the answer."""
_OTHER_DELTAS: Final = frozenset({"citations_delta"})


class MessageReader:
    """Puts one answer together: feed it every event, then ask for the last chunk."""

    def __init__(self, bounds: AnswerBounds, note: Callable[[str], None], form: ReplyForm) -> None:
        self.is_over = False
        """Whether the provider said that nothing more comes."""
        self.pieces = 0
        """Events that belonged to the answer so far, or showed that the model is at work."""
        self.has_output = False
        """Whether anything of the answer was given out."""
        self._bounds = bounds
        self._note = note
        self._form = form
        self._blanks = form.unsent_blanks
        self._usage = UsageCounter()
        self._has_final_counts = False
        self._block: Block | None = None
        self._block_index: object = None
        self._call: CallBlock | None = None
        """The call that came last, until it is known whether it was cut."""
        self._calls = 0
        self._has_invalid_call = False
        self._is_whole = False
        """Whether the answer came in one piece, in which the provider closes what was cut."""
        self._answer: AnswerBlock | None = None
        self._aside: list[str] = []
        """Text beside an answer in JSON, which is no part of it."""
        self._chars = 0
        self._letters = 0
        self._stop_reason = self._stop_sequence = ""

    @property
    def may_be_over(self) -> bool:
        """Whether nothing more is to be expected, so that silence is an end."""
        return self.is_over or bool(self._stop_reason)

    def feed(self, event: object) -> Chunk:
        """Return what one event gives, perhaps nothing; raises UnreadableAnswer."""
        if event is None or self.is_over:
            self.is_over = True
            return Chunk()
        body = _object(event)
        kind = body.get("type")
        if kind == "message_stop":
            self.is_over = True
            return Chunk()
        if not isinstance(kind, str) or not kind:
            raise UnreadableAnswer("an event has no type")
        take = _EVENTS.get(kind)
        if take is None:  # A ping, or news of another kind.
            return Chunk()
        self.pieces += 1
        chunk = take(self, body)
        self.has_output = self.has_output or chunk.has_output
        return chunk

    def last_chunk(self, *, is_framed: bool = True) -> Chunk:
        """Return the chunk that ends the answer; raises UnreadableAnswer when it has not ended.

        Unless `is_framed`, only the closing of the connection was an end; behind a stop reason it is one.
        """
        if not self._stop_reason:
            where = "the stream" if is_framed else "the connection"
            raise UnreadableAnswer(f"{where} ended without a stop_reason")
        reason = self._reason()
        late = self._close(reason)
        finish_reason, text = self._finish(reason)
        fewest = max(self._chars > 0, fewest_tokens(self._chars, self._letters))
        usage = self._usage.usage(self._bounds, fewest_tokens=fewest) if self._has_final_counts else None
        if usage is None and self._usage.was_counted:
            self._note(USAGE_IMPOSSIBLE)
        met = self._stop_sequence if finish_reason is FinishReason.STOP_SEQUENCE else ""
        return replace(
            late, text=late.text + text, finish_reason=finish_reason, stop_sequence=met, usage=usage
        )

    def _take_start(self, body: Json) -> Chunk:
        message = body.get("message")
        self._usage.add(message.get("usage") if isinstance(message, dict) else None)
        return Chunk()

    def _take_whole(self, body: Json) -> Chunk:
        """Take an answer in one piece."""
        content = body.get("content") or []
        if not isinstance(content, list):
            raise UnreadableAnswer("content is not a list")
        self._is_whole = True
        chunks: list[Chunk] = []
        for index, block in enumerate(content):
            chunks += self._begin({"index": index, "content_block": block}), self._end()
        self._take_delta({"delta": body, "usage": body.get("usage")})
        self.is_over = True
        return joined(*chunks)

    def _begin(self, body: Json) -> Chunk:
        self._check_open()
        block = body.get("content_block")
        if not isinstance(block, dict):
            raise UnreadableAnswer("content_block is not an object")
        chunks = [self._end(), self._close_call(is_cut=False)]
        self._block, self._block_index = block_of(block, self._form, self._calls), body.get("index")
        if isinstance(self._block, AnswerBlock):
            if self._answer is not None:
                raise UnreadableAnswer("there are two answers")
            self._answer = self._block
        elif isinstance(self._block, CallBlock):
            self._call = self._block
            self._calls += 1
            chunks.append(self._block.begin())
        chunks += (self._piece(key, text_of(block, key)) for key in ("text", "thinking", "signature"))
        given = block.get("input")
        if isinstance(self._block, AnswerBlock | CallBlock) and given:
            if not isinstance(given, dict):
                raise UnreadableAnswer("input is not an object")
            chunks.append(self._piece("partial_json", json.dumps(given, ensure_ascii=False)))
        return joined(*chunks)

    def _take_piece(self, body: Json) -> Chunk:
        self._check_open()
        delta = body.get("delta")
        if not isinstance(delta, dict):
            raise UnreadableAnswer("delta is not an object")
        if self._block is None or body.get("index") != self._block_index:
            raise UnreadableAnswer("a delta belongs to no block")
        kind = text_of(delta, "type")
        if kind in _OTHER_DELTAS:
            return Chunk()
        if kind not in _PIECES:
            if self._block.takes is None:
                return Chunk()
            raise UnreadableAnswer("a delta is of a type that is not known")
        return self._piece(_PIECES[kind], text_of(delta, _PIECES[kind]))

    def _piece(self, kind: str, piece: str) -> Chunk:
        block = self._block
        if not piece or block is None or block.takes is None:
            return Chunk()
        if kind not in block.takes:
            raise UnreadableAnswer("a delta is of another kind than its block")
        self._chars += len(piece)
        check_bound(self._chars, self._bounds.text_chars, "the text")
        if kind != "signature":
            self._letters += letters(piece)
        return self._shown(block, block.add(kind, piece))

    def _shown(self, block: Block, chunk: Chunk) -> Chunk:
        """Return what the caller gets of a chunk: no text beside an answer in JSON, no blanks twice."""
        if not chunk.text or not isinstance(block, TextBlock):
            return chunk
        if self._form.answer_tool:
            self._aside.append(chunk.text)
            return replace(chunk, text="")
        text = chunk.text
        while text and self._blanks and text[0] == self._blanks[0]:
            text, self._blanks = text[1:], self._blanks[1:]
        self._blanks = "" if text else self._blanks
        return replace(chunk, text=text)

    def _take_stop(self, body: Json) -> Chunk:
        self._check_open()
        return self._end() if body.get("index") == self._block_index else Chunk()

    def _end(self) -> Chunk:
        block, self._block, self._block_index = self._block, None, None
        return Chunk() if block is None else self._shown(block, block.end())

    def _close_call(self, *, is_cut: bool) -> Chunk:
        call, self._call = self._call, None
        if call is None:
            return Chunk()
        chunk = call.close(is_cut=is_cut)
        self._has_invalid_call = self._has_invalid_call or call.is_invalid
        return chunk

    def _take_delta(self, body: Json) -> Chunk:
        delta = body.get("delta")
        word = text_of(delta, "stop_reason")
        self._stop_reason = word or self._stop_reason
        self._stop_sequence = text_of(delta, "stop_sequence") or self._stop_sequence
        usage = body.get("usage")
        self._usage.add(usage)
        self._has_final_counts = self._has_final_counts or (
            isinstance(usage, dict) and usage.get("output_tokens") is not None
        )
        return Chunk()

    def _check_open(self) -> None:
        if self._stop_reason:
            raise UnreadableAnswer("it goes on after its stop_reason")

    def _reason(self) -> FinishReason:
        """Return why the answer ended; raises ErrorEvent for a word of failure."""
        ending = self._form.finish_words.get(self._stop_reason.lower())
        if ending is None:
            ending = FAILED if self._stop_reason == UNFINISHED else ending_of(self._stop_reason)
        if isinstance(ending, FinishReason):
            return ending
        if ending == FAILED:
            raise ErrorEvent({"type": "stop_reason"})
        self._note(FINISH_UNKNOWN)
        return FinishReason.STOP

    def _close(self, reason: FinishReason) -> Chunk:
        """End the block that was not ended, and the latest call; raises UnreadableAnswer for a cut one."""
        is_length = reason is FinishReason.LENGTH
        block = self._block
        if block is not None and block.is_cut and not is_length:
            raise UnreadableAnswer("the input of a tool is cut")
        ended = self._end()
        # A call that another block followed was closed then.
        is_cut = is_length and self._call is not None and (self._is_whole or self._call.is_cut)
        return joined(ended, self._close_call(is_cut=is_cut))

    def _finish(self, reason: FinishReason) -> tuple[FinishReason, str]:
        """Return why the answer ended by all that came, and the text that was held back."""
        if self._answer is not None:
            if not self._answer.json_text and reason is not FinishReason.LENGTH:
                return FinishReason.STOP, "{}"
            if self._answer.is_cut and reason is not FinishReason.LENGTH:
                raise UnreadableAnswer("the answer is no JSON")
            return (FinishReason.STOP if reason is FinishReason.TOOL_CALLS else reason), ""
        if self._form.answer_tool and not self._calls:
            if reason in (FinishReason.STOP, FinishReason.STOP_SEQUENCE, FinishReason.TOOL_CALLS):
                raise UnreadableAnswer("there is no answer in JSON")
            return reason, "".join(self._aside) if reason is FinishReason.CONTENT_FILTER else ""
        if reason is FinishReason.CONTENT_FILTER:
            return reason, ""
        if self._has_invalid_call:
            return FinishReason.LENGTH, ""
        if self._calls and reason is not FinishReason.LENGTH:
            return FinishReason.TOOL_CALLS, ""
        return (FinishReason.STOP if reason is FinishReason.TOOL_CALLS else reason), ""


_EVENTS: Final[Mapping[str, Callable[[MessageReader, Json], Chunk]]] = {
    "message": MessageReader._take_whole,
    "message_start": MessageReader._take_start,
    "content_block_start": MessageReader._begin,
    "content_block_delta": MessageReader._take_piece,
    "content_block_stop": MessageReader._take_stop,
    "message_delta": MessageReader._take_delta,
}


def read_message(raw: bytes, bounds: AnswerBounds, note: Callable[[str], None], form: ReplyForm) -> Reply:
    """Return an answer that came in one piece; raises UnreadableAnswer."""
    body = _object(parse_json(raw))
    if body.get("type") != "message":
        raise UnreadableAnswer("it is no message")
    reader = MessageReader(bounds, note, form)
    first = reader.feed(body)
    return assembled((first, reader.last_chunk())).reply()


def _object(event: object) -> Json:
    """Return an answer or event that is no error."""
    if not isinstance(event, dict):
        raise UnreadableAnswer("it is not a JSON object")
    if event.get("type") == "error" or event.get("error"):
        raise ErrorEvent(event)
    return event
