"""Two hours of requests with mixed deadlines, in virtual time: who is let through, and who finishes."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.backends.base import Call
from gateway.clock import Deadline
from gateway.domain.answer import Answer, Chunk, FinishReason, Route, Usage
from gateway.domain.decision import Reason, RoutingState, Scores
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.request import Request
from gateway.errors import GatewayError
from gateway.policy.model import CompiledRule
from gateway.testing.scripted import Act, Delay, Step
from tests.support.decisions import decide
from tests.support.dispatch_doubles import Bench, a_request
from tests.support.simulated_engine import SimulatedEngine, mixed

TWO_HOURS_S = 7_200.0
PIECES = 20
"""In how many pieces, evenly, the rest of an answer comes after its first one."""


@dataclass(slots=True)
class Simulated:
    """What became of the requests."""

    came: int = 0
    let_through: int = 0
    finished: int = 0
    refused: int = 0
    """Of those that were let through, by the engine itself."""


class Provider:
    """A model whose speed changes: a lognormal beginning, a throughput, and from time to time a bad spell."""

    def __init__(self, bench: "list[Bench]", *, begin_s: float, token_s: float, seed: int) -> None:
        self._bench = bench
        self._begin_s, self._token_s = begin_s, token_s
        self._rng = random.Random(seed)

    def __call__(self, call: Call) -> Step:
        """Return the pieces of one answer."""
        now_s = self._bench[0].clock.monotonic_s()
        spell = 4.0 if now_s % 900.0 > 780.0 else 1.0
        tokens = min(call.max_tokens, self._rng.randint(20, 100))
        usage = Usage(prompt_tokens=5, completion_tokens=tokens)
        begin_s = self._begin_s * spell * self._rng.lognormvariate(0.0, 0.4)
        rest_s = self._token_s * spell * tokens * self._rng.uniform(0.9, 1.1)
        piece: tuple[Act, ...] = (Delay(rest_s / PIECES), Chunk(text="a"))
        return (
            Delay(begin_s),
            Chunk(text="a"),
            *piece * PIECES,
            Chunk(text="b", finish_reason=FinishReason.STOP, usage=usage),
        )


async def one(
    bench: Bench, request: Request, timeout_s: float, seen: Simulated, *, looks_ahead: bool
) -> None:
    """Decide and dispatch one request, streamed, as the pipeline does."""
    state = RoutingState(deadline_s=timeout_s)
    if looks_ahead:
        bench.dispatcher.forecasts.refresh()
        finish_s = bench.dispatcher.forecasts.finish_s(request, policy=bench.policy)
        state = replace(state, finish_s=finish_s, idle=bench.dispatcher.forecasts.idle())
    decision = decide(
        request,
        scores=Scores(complexity=0.5, privacy=0.0, budget=0.0),
        privacy=PrivacyAssessment(score=0.0, privacy_class=PrivacyClass.PUBLIC, reason="score"),
        policy=bench.policy,
        state=state,
    )
    seen.came += 1
    seen.let_through += bool(decision.chain)
    stream = bench.dispatcher.stream(
        request, decision, policy=bench.policy, deadline=Deadline.after(timeout_s, bench.clock)
    )
    try:
        events = [event async for event in stream]
    except GatewayError:
        return
    answer = events[-1]
    assert isinstance(answer, Answer)
    seen.finished += answer.route is not Route.CANNED
    seen.refused += any(attempt.reason is Reason.QUEUE_FULL for attempt in answer.attempts)


def _routed(bench: Bench, route: Sequence[str]) -> None:
    bench.policy = replace(bench.policy, rules=(CompiledRule(name="default", when=None, route=tuple(route)),))


async def simulate_providers(*, looks_ahead: bool, seed: int) -> Simulated:
    """Ask a fast and a slow provider, one request after the other."""
    rng = random.Random(seed)
    cell: list[Bench] = []
    bench = Bench(
        {
            "fast": Provider(cell, begin_s=0.3, token_s=0.01, seed=seed),
            "slow": Provider(cell, begin_s=1.0, token_s=0.03, seed=seed + 1),
        }
    )
    cell.append(bench)
    _routed(bench, ("fast", "slow"))
    seen = Simulated()
    began_s = bench.clock.monotonic_s()
    while bench.clock.monotonic_s() - began_s < TWO_HOURS_S:
        await bench.clock.sleep(rng.expovariate(1 / 4.0))
        timeout_s = rng.choice([0.5, 1.0, 2.0, 4.0, 8.0, 30.0])
        await one(bench, a_request(), timeout_s, seen, looks_ahead=looks_ahead)
    return seen


async def simulate_engine(
    *, looks_ahead: bool, seed: int, load: float = 1.5, for_s: float = 600.0
) -> Simulated:
    """Ask an engine of four slots at `load` times what it can do, about 4.7 answers a second."""
    rng = random.Random(seed)
    bench = Bench({"edge": []}, backends={"edge": SimulatedEngine("edge", seed=seed)})
    _routed(bench, ("edge",))
    seen = Simulated()
    began_s = bench.clock.monotonic_s()
    async with asyncio.TaskGroup() as asking:
        while bench.clock.monotonic_s() - began_s < for_s:
            await bench.clock.sleep(rng.expovariate(load * 4.7))
            timeout_s = rng.choice([1.0, 2.0, 4.0, 8.0, 30.0])
            asking.create_task(one(bench, a_request(), timeout_s, seen, looks_ahead=looks_ahead))
    return seen


LIMITS = (None, 5, 40, 400, 8_192, 1_000_000)
"""`max_tokens` of requests: unset, small, and what clients send that always send the same."""
DEADLINES_S = (0.3, 1.0, 4.0, 15.0, 60.0)


async def simulate_mixed(*, seed: int, per_s: float, for_s: float) -> tuple[Simulated, Simulated]:
    """Ask an engine whose answers have very different lengths, with very different limits and deadlines.

    Return what came of the requests that found it with nothing to do, and of the others.
    """
    rng = random.Random(seed)
    engine = SimulatedEngine("edge", seed=seed, context_tokens=2048, length=mixed)
    bench = Bench({"edge": []}, backends={"edge": engine})
    _routed(bench, ("edge",))
    idle, busy = Simulated(), Simulated()
    async with asyncio.TaskGroup() as asking:
        began_s = bench.clock.monotonic_s()
        while bench.clock.monotonic_s() - began_s < for_s:
            await bench.clock.sleep(rng.expovariate(per_s))
            request = a_request()
            request = replace(request, config=replace(request.config, max_tokens=rng.choice(LIMITS)))
            seen = idle if engine.is_idle else busy
            asking.create_task(one(bench, request, rng.choice(DEADLINES_S), seen, looks_ahead=True))
    return idle, busy
