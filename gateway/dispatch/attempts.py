"""One try at a model: what surrounds it, from the outside in, and the pieces of its answer."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext

from gateway.dispatch.attempt_recorder import AttemptRecorder
from gateway.dispatch.breaker import BreakerLayer
from gateway.dispatch.budget import BudgetLayer
from gateway.dispatch.concurrency import ConcurrencyLayer
from gateway.dispatch.layer import AttemptContext, Layer
from gateway.domain.answer import Chunk


class Attempts:
    """Makes tries. No layer around one looks at its pieces, so these pass none of them."""

    def __init__(
        self,
        inner: Layer,
        *,
        recorder: AttemptRecorder,
        concurrency: ConcurrencyLayer | None,
        breaker: BreakerLayer,
        budget: BudgetLayer,
    ) -> None:
        self._inner = inner
        self._recorder = recorder
        self._concurrency = concurrency
        """None: nobody waits for the answers, so that they take no slot."""
        self._breaker = breaker
        self._budget = budget

    async def __call__(self, attempt: AttemptContext, /) -> AsyncGenerator[Chunk, None]:
        """Yield the answer; raises AttemptError."""
        slot = nullcontext() if self._concurrency is None else self._concurrency.around(attempt)
        with self._recorder.around(attempt):
            async with slot:
                with self._breaker.around(attempt):
                    async with self._budget.around(attempt), aclosing(self._inner(attempt)) as chunks:
                        async for chunk in chunks:
                            yield chunk
