"""The pipeline of new requests: a reload swaps it in one step, and requests in flight keep the old one."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

from gateway.pipeline.run import Pipeline
from gateway.tasks import Tasks

Retire = Callable[[], Coroutine[None, None, None]]
"""Frees what a pipeline alone holds; called once, after its last request."""


class _Generation:
    """One pipeline, and how many requests are on it."""

    def __init__(self, pipeline: Pipeline, retire: Retire) -> None:
        self.pipeline = pipeline
        self.retire = retire
        self.users = 0
        self.is_over = False


class ActivePolicy:
    """The pipeline of this moment; one assignment swaps policy, scorers, rules and cloud models together."""

    def __init__(self, pipeline: Pipeline, *, retire: Retire) -> None:
        self._now = _Generation(pipeline, retire)
        self._tasks = Tasks()

    @property
    def pipeline(self) -> Pipeline:
        """What a request that came now would begin with; to serve one, take it by `begin`."""
        return self._now.pipeline

    @contextmanager
    def begin(self) -> Iterator[Pipeline]:
        """Give a request its pipeline, which stays whole until the block ends."""
        generation = self._now
        generation.users += 1
        try:
            yield generation.pipeline
        finally:
            generation.users -= 1
            self._retire_if_unused(generation)

    def swap(self, pipeline: Pipeline, *, retire: Retire) -> None:
        """Let new requests begin with another pipeline; the old one is freed after its last request."""
        old, self._now = self._now, _Generation(pipeline, retire)
        old.is_over = True
        self._retire_if_unused(old)

    async def aclose(self) -> None:
        """Free all pipelines; only when no request is left."""
        await self._tasks.drain()
        await self._now.retire()

    def _retire_if_unused(self, generation: _Generation) -> None:
        if generation.is_over and not generation.users:
            self._tasks.start("end of an old policy", generation.retire())
