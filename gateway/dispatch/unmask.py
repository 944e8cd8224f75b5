"""The layer that puts masked values back into the answer of a model that was sent placeholders."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from gateway.dispatch.layer import Target
from gateway.domain.answer import Chunk, ReasoningDelta, ToolCallDelta
from gateway.privacy.masking.restore import JsonRestorer, Restorer

TurnLayer = Callable[[Target], AsyncGenerator[Chunk, None]]

_REASONING, _TEXT, _CALL = range(3)
"""The order in which one piece says things of several kinds."""


class UnmaskLayer:
    """Restores what a turn answers: text, reasoning and arguments; of a turn without a mask it is no part."""

    def __init__(self, inner: TurnLayer) -> None:
        self._inner = inner

    def __call__(self, target: Target, /) -> AsyncGenerator[Chunk, None]:
        """Return the inner answer, with the values of the request if some are masked."""
        unmasking = _unmasking(target)
        return self._inner(target) if unmasking is None else self._restored(target, unmasking)

    async def _restored(self, target: Target, unmasking: "_Unmasking") -> AsyncGenerator[Chunk, None]:
        async with aclosing(self._inner(target)) as chunks:
            async for chunk in chunks:
                for restored in unmasking.feed(chunk):
                    yield restored


def _unmasking(target: Target) -> "_Unmasking | None":
    if target.permit is None or not target.permit.values:
        return None
    values, in_urls = target.permit.values, target.spec.restores_in_urls
    return _Unmasking(
        new=lambda: Restorer(values, in_urls=in_urls), new_json=lambda: JsonRestorer(values, in_urls=in_urls)
    )


@dataclass
class _Piece:
    """What is yielded next."""

    text: str = ""
    reasoning: list[ReasoningDelta] = field(default_factory=list)
    tool_calls: list[ToolCallDelta] = field(default_factory=list)

    def take(self, kind: int, index: int, held: str, *, is_json: bool) -> None:
        """Add the end of what was said before."""
        if not held:
            return
        if kind == _TEXT:
            self.text += held
        elif kind == _REASONING:
            self.reasoning.append(ReasoningDelta(text=held))
        elif is_json:
            self.tool_calls.append(ToolCallDelta(index=index, arguments_json=held))
        else:
            self.tool_calls.append(ToolCallDelta(index=index, input=held))

    def is_said(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.text or self.reasoning or self.tool_calls)


class _Unmasking:
    """Restores one answer: each text, thought and call by itself, in the order in which they come."""

    def __init__(self, *, new: Callable[[], Restorer], new_json: Callable[[], JsonRestorer]) -> None:
        self._new = new
        self._new_json = new_json
        self._text = new()
        self._kind = _TEXT
        self._index = 0
        """Of the call that is being said."""
        self._current: Restorer | JsonRestorer = self._text
        """Restores what is being said."""

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield what can be said of the answer after one more piece of it."""
        piece = _Piece()
        first = min(_kinds(chunk), default=self._kind)
        if first < self._kind:
            self._end(piece)
            if piece.is_said():
                yield _made(Chunk(), piece)
            piece = _Piece()
        for thought in chunk.reasoning:
            piece.reasoning.append(self._thought(thought, piece))
        if chunk.text:
            self._begin(_TEXT, 0, self._text, piece)
            piece.text += self._text.feed(chunk.text)
        for call in chunk.tool_calls:
            piece.tool_calls.append(self._call(call, piece))
        if chunk.finish_reason is not None:
            self._end(piece)
        yield _made(chunk, piece)

    def _begin(self, kind: int, index: int, restorer: Restorer | JsonRestorer, piece: _Piece) -> None:
        """Go on with something else, after the end of what was said before."""
        if restorer is not self._current:
            self._end(piece)
            self._kind, self._index, self._current = kind, index, restorer

    def _end(self, piece: _Piece) -> None:
        held, is_json = self._current.flush(), isinstance(self._current, JsonRestorer)
        piece.take(self._kind, self._index, held, is_json=is_json)

    def _thought(self, thought: ReasoningDelta, piece: _Piece) -> ReasoningDelta:
        if self._kind != _REASONING:
            self._begin(_REASONING, 0, self._new(), piece)
        text = self._current.feed(thought.text)
        if thought.opaque:
            text += self._current.flush()
            self._current = self._new()
        return replace(thought, text=text)

    def _call(self, call: ToolCallDelta, piece: _Piece) -> ToolCallDelta:
        if self._kind != _CALL or self._index != call.index:
            is_custom = call.is_custom or bool(call.input)
            self._begin(_CALL, call.index, self._new() if is_custom else self._new_json(), piece)
        said = self._current.feed(call.arguments_json or call.input)
        if call.arguments_invalid:
            said += self._current.flush()
        if isinstance(self._current, JsonRestorer):
            return replace(call, arguments_json=said)
        return replace(call, input=said)


def _kinds(chunk: Chunk) -> Iterator[int]:
    if chunk.reasoning:
        yield _REASONING
    if chunk.text:
        yield _TEXT
    if chunk.tool_calls:
        yield _CALL


def _made(chunk: Chunk, piece: _Piece) -> Chunk:
    """Return the piece; without log probabilities, whose tokens are those of placeholders."""
    return replace(
        chunk,
        text=piece.text,
        reasoning=tuple(piece.reasoning),
        tool_calls=tuple(piece.tool_calls),
        logprobs=(),
    )
