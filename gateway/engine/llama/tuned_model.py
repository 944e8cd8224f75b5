"""A model that finds out while it decodes with how many threads it is fastest."""

from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.engine.interfaces import BatchToken
from gateway.engine.llama.llama_model import LlamaModel
from gateway.engine.llama.params import LlamaSettings
from gateway.engine.threads import ThreadTuner


class TunedModel(LlamaModel):
    """A model whose number of threads `tuner` chooses, step by step."""

    def __init__(
        self,
        settings: LlamaSettings,
        *,
        tuner: ThreadTuner,
        clock: Clock,
        prefill_threads: int | None = None,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        """With `prefill_threads` so many read prompts; else as many as decode."""
        super().__init__(settings, on_progress=on_progress)
        self._tuner = tuner
        self._clock = clock
        self._prefill_threads = prefill_threads
        self._take(tuner.threads)

    def decode(self, tokens: Sequence[BatchToken]) -> None:
        """Run one step, and measure it."""
        rows = len(tokens)
        threads = self._tuner.threads_for(rows)
        if threads != self.threads:
            self._take(threads)
        start_s = self._clock.monotonic_s()
        super().decode(tokens)
        self._tuner.record(rows, threads, self._clock.monotonic_s() - start_s)

    def _take(self, threads: int) -> None:
        self.set_threads(threads, self._prefill_threads or threads)
