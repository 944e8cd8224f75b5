"""The gateway's own reply reaches the caller before the caller's clock runs out, whatever gRPC rounds up."""

import asyncio
import random
import time
from collections.abc import Iterator

import grpc
import pytest

from gateway.client.failure import failure_of
from gateway.clock import SystemClock
from gateway.dispatch.dispatcher import REPLY_RESERVE_S
from gateway.domain.answer import Outcome, Usage
from gateway.domain.grpc_timeout import FRESH_TIMEOUTS, least_sent_s
from gateway.server.access import DEFAULT_TENANT, Caller, Identity
from gateway.server.grpc.caller import Context
from gateway.telemetry.report import CallReport
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import POLICY
from tests.support.served import ask, served

LONG = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 60, max: 2000}")
SENT_S = (0.7, 1.0, 9.9, 10, 12.03, 99, 100, 130.7, 999.5, 1001)
LEFT_S = 1.3
"""What is left of a caller's time when its request is at a model."""
STEPS_S = {1: 0.001, 10: 0.01, 100: 0.1, 1_000: 1, 10_000: 10, 100_000: 600}
"""Up to which timeout gRPC rounds up to which step."""
CLOCK_ERROR_S = 0.003
"""gRPC reads its clocks in whole milliseconds, at both ends."""
DAY_S = 86_400.0
"""The most that a policy grants."""
LEAST_S = 0.1
"""Shorter timeouts may pass before the call of a busy test has come."""


class JumpingClock(SystemClock):
    """The machine's clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic_s(self) -> float:
        """Seconds, those that were jumped over included."""
        return time.monotonic() + self.ahead_s


def drawn_s(rng: random.Random) -> Iterator[float]:
    """Yield timeouts of every size: any, round ones, and those beside the bounds of the steps."""
    for top in STEPS_S:
        for _ in range(25):
            yield rng.uniform(top / 10, top)
            yield float(f"{rng.uniform(top / 10, top):.{rng.randint(1, 3)}g}")
            yield top + rng.uniform(-2, 2) * top / 1000
        yield from (top, top * 0.9995, top * 1.0005, top / 2)


def step_s(sent_s: float) -> float:
    """Return the step to which gRPC rounds a timeout; the next one where it is rounded up across a bound."""
    return next(step for top, step in STEPS_S.items() if sent_s * 1.001 + 0.002 < top or top == 100_000)


@pytest.mark.parametrize(
    ("arrived_s", "step"),
    [
        *[(0.5, 0.001), (1.0, 0.001), (1.01, 0.01), (9.91, 0.01), (10.0, 0.01), (10.1, 0.1), (99.1, 0.1)],
        *[(100.0, 0.1), (101.0, 1.0), (131.0, 1.0), (1000.0, 1.0), (1010.0, 10.0), (10_000.0, 10.0)],
        *[(10_100.0, 600.0), (86_500.0, 600.0), (100_200.0, 600.0)],
    ],
)
def test_the_step_is_that_of_what_arrived(arrived_s: float, step: float) -> None:
    """A timeout of three digits was rounded up in the last of them."""
    assert least_sent_s(arrived_s) == pytest.approx(arrived_s - step)
    assert least_sent_s(arrived_s + 0.001) == pytest.approx(arrived_s + 0.001 - step)


async def test_no_deadline_that_arrives_is_taken_for_more_than_was_sent() -> None:
    """Hundreds of timeouts, sent by a real client: none is overrated, none loses more than a step.

    All on one connection, where gRPC would send an earlier, longer timeout again. A client that is busy reads
    its clock some milliseconds late: half the time for the reply covers it.
    """
    arrived: dict[str, float | None] = {}

    async def note(request: bytes, context: Context) -> bytes:
        arrived[request.decode()] = context.time_remaining()
        return b""

    server = grpc.aio.server(options=[FRESH_TIMEOUTS])
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Note": grpc.unary_unary_rpc_method_handler(note)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Deadlines", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Deadlines/Note")
            for sent_s in (each for each in drawn_s(random.Random(5)) if each > LEAST_S):
                began_s = time.monotonic()
                await call(repr(sent_s).encode(), timeout=sent_s)
                took_s = time.monotonic() - began_s
                remaining_s = arrived[repr(sent_s)]
                assert remaining_s is not None
                assert least_sent_s(remaining_s) <= sent_s + REPLY_RESERVE_S / 2, sent_s
                if sent_s < DAY_S:
                    lost_s = sent_s - least_sent_s(remaining_s) - took_s
                    assert lost_s <= step_s(sent_s) + CLOCK_ERROR_S, sent_s
    finally:
        await server.stop(0)
    assert len(arrived) > 400


async def test_our_own_reply_comes_before_the_callers_clock_runs_out() -> None:
    """A model that never answers: the caller hears DEADLINE from us in its own time, at every size of it.

    Its connection has brought a timeout before that is 2 % longer. The gateway's clock jumps when the request
    has come, to `LEFT_S` before the end of the caller's time.
    """
    for ended_s, left_s, report, reason in await asyncio.gather(*map(_asked, SENT_S)):
        assert reason == "DEADLINE"
        assert ended_s < left_s, report.duration_s
        assert {attempt.outcome for attempt in report.attempts} == {Outcome.FAILED}
        assert report.code == "DEADLINE_EXCEEDED"


async def _asked(sent_s: float) -> tuple[float, float, CallReport, str]:
    """Return when the reply came, when it had to, what was reported, and the reason that the caller got."""
    clock = JumpingClock()
    left_s = min(sent_s, LEFT_S)

    def tenant_of(caller: Caller) -> Identity:
        if caller.headers.get("x-jump") == "yes":
            clock.ahead_s += sent_s - left_s
        return Identity(tenant=DEFAULT_TENANT)

    reports: list[CallReport] = []
    slow = ScriptedBackend("edge", [[Delay(60.0), reply("late")]])
    async with served(
        {"edge": slow, "cloud": slow},
        policy=LONG,
        tenant_of=tenant_of,
        observers=(reports.append,),
        clock=clock,
    ) as gateway:
        request = ask()
        await gateway.stub.Explain(pb.ExplainRequest(messages=request.messages), timeout=sent_s * 1.02)
        began_s = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.Generate(request, timeout=sent_s, metadata=(("x-jump", "yes"),))
        ended_s = time.monotonic() - began_s
        await gateway.calls.wait_idle()
    return ended_s, left_s, reports[-1], failure_of(caught.value).reason


@pytest.mark.parametrize(
    ("timeout_s", "granted_s", "step"),
    [
        (None, 60.0, 0.0),
        (2001.0, 2000.0, 0.0),
        (86_400.0, 2000.0, 0.0),
        (99.0, 99.0, 0.1),
        (999.5, 999.5, 1.0),
    ],
    ids=["default", "at the cap", "capped", "own", "own, long"],
)
async def test_what_a_deadline_loses(timeout_s: float | None, granted_s: float, step: float) -> None:
    """A default and a capped deadline lose the time for the reply alone, the caller's own a step as well."""
    clock = SystemClock()
    usage = Usage(prompt_tokens=1, completion_tokens=1)
    backend = ScriptedBackend("edge", lambda _: reply("fine", usage=usage))
    policy = LONG.replace("attempts: 1", "attempts: 1, attempt_s: 5000, first_token_s: 5000")
    async with served({"edge": backend, "cloud": backend}, policy=policy) as gateway:
        request = pb.StreamGenerateRequest.FromString(ask().SerializeToString())
        began_s = clock.monotonic_s()
        async for _ in gateway.stub.StreamGenerate(request, timeout=timeout_s):
            pass
        took_s = clock.monotonic_s() - began_s
    left_s = backend.calls[0].deadline.at_s - began_s
    assert left_s <= granted_s - REPLY_RESERVE_S + took_s + CLOCK_ERROR_S
    assert left_s >= granted_s - REPLY_RESERVE_S - step - CLOCK_ERROR_S
