"""The layer that puts masked values back into the answer of a model that was sent placeholders."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from gateway.dispatch.turn import Turn
from gateway.privacy.masking.placeholders import Restorer
from gateway.types import Chunk

TurnLayer = Callable[[Turn], AsyncGenerator[Chunk, None]]


class Unmasked:
    """Restores what a turn answers; a turn without a mask passes as it is."""

    def __init__(self, inner: TurnLayer) -> None:
        self._inner = inner

    async def __call__(self, turn: Turn, /) -> AsyncGenerator[Chunk, None]:
        """Yield the inner answer with the values of the request."""
        restorer = Restorer({} if turn.permit is None else turn.permit.values)
        async with aclosing(self._inner(turn)) as chunks:
            async for chunk in chunks:
                text = restorer.feed(chunk.text)
                if chunk.finish_reason is not None:
                    text += restorer.flush()
                yield chunk if text == chunk.text else replace(chunk, text=text)
