"""The engine's real scheduler on a scripted model, as a backend in virtual time."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable

from gateway.backends.base import Call, QueueForecast
from gateway.clock import Deadline
from gateway.domain.answer import Chunk, Reply
from gateway.domain.capability import Capability
from gateway.engine.interfaces import EngineRequest
from gateway.engine.scheduler import Scheduler
from gateway.engine.sequence import StepOutput
from gateway.errors import AttemptError, BackendError, BackendSilent
from tests.support.scripted_model import GREEDY, ScriptedModel
from tests.support.virtual_time import LoopClock

FORECAST_S = 0.1
"""A gateway knows an engine's forecast as it was up to so long ago."""


class _StepClock(LoopClock):
    """The loop's clock, which a step of the model moves on before the loop itself gets there."""

    ahead_s = 0.0

    def monotonic_s(self) -> float:
        """Seconds of the loop, and of the step that runs."""
        return super().monotonic_s() + self.ahead_s


def medium(dice: random.Random) -> int:
    """Return the tokens of one of answers that are all of a kind."""
    return dice.randint(5, 60)


def mixed(dice: random.Random) -> int:
    """Return the tokens of one of answers of which most are short, some long, and a few go on for ever."""
    return dice.choices([dice.randint(2, 20), dice.randint(50, 150), dice.randint(300, 1500)], [70, 25, 5])[0]


class SimulatedEngine:
    """A step takes `step_s`, and 1 ms for each token in it; `length` draws the tokens of an answer."""

    def __init__(
        self,
        name: str,
        *,
        seed: int,
        slots: int = 4,
        context_tokens: int = 512,
        length: Callable[[random.Random], int] = medium,
        step_s: float = 0.02,
    ) -> None:
        self.name = name
        dice = random.Random(seed)
        self._clock = _StepClock()
        self._step_s = step_s
        self._model = ScriptedModel(
            slots=slots, context_tokens=context_tokens, kv_cells=context_tokens * slots, batch_tokens=64
        )
        self._model.scripts = [b"a" * length(dice) for _ in range(50_000)]
        self._model.during_decode = self._take_time
        self._scheduler = Scheduler(
            self._model, name=name, clock=self._clock, deliver=lambda _: None, report=lambda _: None
        )
        self._answers: dict[int, asyncio.Queue[StepOutput]] = {}
        self._running: asyncio.Task[None] | None = None
        self._forecast: QueueForecast | None = None
        self._forecast_at_s = -FORECAST_S

    def _take_time(self) -> None:
        self._clock.ahead_s += self._step_s + 0.001 * len(self._model.rows)

    async def _run(self) -> None:
        while not self._scheduler.is_idle:
            outputs = self._scheduler.step()
            taken_s, self._clock.ahead_s = self._clock.ahead_s, 0.0
            await asyncio.sleep(taken_s)
            for output in outputs:
                if output.ticket in self._answers:
                    self._answers[output.ticket].put_nowait(output)
        self._running = None

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do at this moment."""
        return self._scheduler.is_idle

    def forecast(self) -> QueueForecast | None:
        """Return what the scheduler foresaw a moment ago."""
        return self._forecast

    @property
    def lacking(self) -> frozenset[Capability]:
        """What its model lacks: nothing."""
        return frozenset()

    def refresh_forecast(self) -> None:
        """Ask the scheduler, unless that was done a moment ago."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._forecast_at_s >= FORECAST_S:
            said = self._scheduler.forecast()
            self._forecast_at_s = now_s
            self._forecast = None
            if said.token_s:
                self._forecast = QueueForecast(
                    wait_s=said.wait_s,
                    prompt_token_s=said.prompt_token_s,
                    token_s=said.token_s,
                    answer_tokens=said.answer_tokens,
                )

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer."""
        chunks = [chunk async for chunk in self.stream(call)]
        if chunks[-1].finish_reason is None:
            raise AssertionError("the engine ended without a finish")
        text = "".join(chunk.text for chunk in chunks)
        return Reply(text=text, finish_reason=chunks[-1].finish_reason, usage=chunks[-1].usage)

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the answer; leaving frees the slot."""
        length = sum(len(message.content) for message in call.request.messages) // 4
        job = EngineRequest(
            request_id="r",
            tenant=call.request.tenant,
            prompt=tuple(range(length)),
            max_tokens=call.max_tokens,
            sampling=GREEDY,
            deadline=Deadline(call.deadline.at_s),
        )
        ticket = self._scheduler.submit(job)
        answers = self._answers[ticket] = asyncio.Queue()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        is_over = False
        try:
            while not is_over:
                output = await answers.get()
                is_over = output.is_last
                if output.failure is not None:
                    raise self._translated(output.failure)
                yield Chunk(text=output.text, finish_reason=output.finish_reason, usage=output.usage)
        finally:
            del self._answers[ticket]
            if not is_over:
                self._scheduler.cancel(ticket)

    def _translated(self, failure: Exception) -> BackendError:
        if isinstance(failure, BackendError):
            return failure
        if isinstance(failure, AttemptError):
            raise failure
        return BackendSilent(self.name, "the deadline passed")

    async def aclose(self) -> None:
        """Nothing is held."""
