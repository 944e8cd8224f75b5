"""The layer that puts masked values back into the answer of a model that was sent placeholders."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from gateway.dispatch.layer import Target
from gateway.domain.answer import Chunk
from gateway.privacy.masking.restore import Restorer

TurnLayer = Callable[[Target], AsyncGenerator[Chunk, None]]


class UnmaskLayer:
    """Restores what a turn answers: text, reasoning and arguments; a turn without a mask passes as it is."""

    def __init__(self, inner: TurnLayer) -> None:
        self._inner = inner

    async def __call__(self, target: Target, /) -> AsyncGenerator[Chunk, None]:
        """Yield the inner answer with the values of the request."""
        restorer = _restorer(target)
        async with aclosing(self._inner(target)) as chunks:
            async for chunk in chunks:
                if restorer is None:
                    yield chunk
                    continue
                text = restorer.feed(chunk.text)
                if chunk.finish_reason is not None:
                    text += restorer.flush()
                yield chunk if text == chunk.text else replace(chunk, text=text)


def _restorer(target: Target) -> Restorer | None:
    if target.permit is None or not target.permit.values:
        return None
    return Restorer(target.permit.values, in_urls=target.spec.restores_in_urls)
