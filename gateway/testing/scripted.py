"""A backend that follows a script, for tests, demos and policy trials."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.backends.base import Call
from gateway.clock import Clock, SystemClock
from gateway.domain.answer import Chunk, FinishReason, Reply, Usage
from gateway.domain.assembly import Assembly
from gateway.errors import StreamTruncated


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait for `delay_s` seconds on the backend's clock."""

    delay_s: float


Act = Reply | Chunk | Delay | Exception
"""One action of the model: a whole answer, a chunk, a wait, an error."""

Step = Act | Sequence[Act]
"""The actions of one call."""

Script = Callable[[Call], Step] | Sequence[Step]
"""A function of the call, or one step for each call; the last step repeats."""


class ScriptedBackend:
    """Follows its script and records its calls."""

    def __init__(self, name: str, script: Script, *, clock: Clock | None = None) -> None:
        self.name = name
        self.calls: list[Call] = []
        self.stopped: list[Call] = []
        """Calls that were cancelled, or closed before their end."""
        self.is_closed = False
        self._step_of = script if callable(script) else _in_order(name, script)
        self._clock = clock or SystemClock()

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer of the next step, or raise its error."""
        answer = Assembly()
        async for chunk in self.stream(call):
            answer.add(chunk)
        if not answer.is_whole:
            raise StreamTruncated(self.name, "the script ends without a finish reason")
        return answer.reply()

    async def stream(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks of the next step; a whole reply is split into words."""
        step = self._step_of(call)
        self.calls.append(call)
        is_over = False
        try:
            for act in step if isinstance(step, Sequence) else (step,):
                if isinstance(act, Delay):
                    await self._clock.sleep(act.delay_s)
                elif isinstance(act, Exception):
                    is_over = True
                    raise act
                else:
                    for chunk in _chunks(act):
                        is_over = chunk.finish_reason is not None
                        yield chunk
            is_over = True
        finally:
            if not is_over:
                self.stopped.append(call)

    async def aclose(self) -> None:
        """Record that the backend was closed."""
        self.is_closed = True


def reply(text: str, *, usage: Usage | None = None, finish_reason: FinishReason = FinishReason.STOP) -> Reply:
    """Return a reply; a short form for scripts."""
    return Reply(text=text, finish_reason=finish_reason, usage=usage)


def _in_order(name: str, steps: Sequence[Step]) -> Callable[[Call], Step]:
    if not steps:
        raise ValueError(f"{name}: the script has no step")
    waiting = list(steps)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def _chunks(act: Reply | Chunk) -> Iterator[Chunk]:
    if isinstance(act, Chunk):
        yield act
        return
    words = act.text.split(" ")
    for index, word in enumerate(words):
        is_last = index == len(words) - 1
        yield Chunk(
            text=word if is_last else word + " ",
            finish_reason=act.finish_reason if is_last else None,
            usage=act.usage if is_last else None,
            vectors=act.vectors if is_last else (),
        )
