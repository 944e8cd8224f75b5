"""What is done for a request, and when: no CPU before the limits, and none beyond the deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from gateway.client.failure import failure_of
from gateway.clock import Deadline, SystemClock
from gateway.domain.answer import Usage
from gateway.domain.decision import RoutingInput
from gateway.domain.request import Request
from gateway.pipeline.assess import PolicyAssessor
from gateway.pipeline.start_queue import StartQueue
from gateway.testing.scripted import Delay, ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from tests.support.policies import POLICY
from tests.support.served import Served, ask, served

WRONG = pb.GenerationConfig(json_schema='{"type": "what is wrong with this is only seen by who checks it"}')
LARGE = "a word or two. " * 6000
"""More than is scored on the event loop."""
USAGE = Usage(prompt_tokens=1, completion_tokens=1)

Ask = Callable[[Served, pb.GenerateRequest], Awaitable[object]]


async def _generate(gateway: Served, request: pb.GenerateRequest) -> object:
    return await gateway.stub.Generate(request, timeout=0.5)


async def _stream(gateway: Served, request: pb.GenerateRequest) -> object:
    same = pb.StreamGenerateRequest.FromString(request.SerializeToString())
    return [event async for event in gateway.stub.StreamGenerate(same, timeout=0.5)]


async def _explain(gateway: Served, request: pb.GenerateRequest) -> object:
    same = pb.ExplainRequest.FromString(request.SerializeToString())
    return await gateway.stub.Explain(same, timeout=0.5)


async def _generated(gateway: Served) -> str:
    return (await gateway.stub.Generate(ask())).text


EVERY_CALL = pytest.mark.parametrize("call", [_generate, _stream, _explain])


async def _reason(asked: Awaitable[object]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asked
    return failure_of(caught.value).reason


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request that was scored."""
    seen: list[Request] = []
    assess = PolicyAssessor.assess

    async def noted(self: PolicyAssessor, request: Request, *rest: Any) -> RoutingInput:
        seen.append(request)
        return await assess(self, request, *rest)

    monkeypatch.setattr(PolicyAssessor, "assess", noted)
    return seen


@EVERY_CALL
async def test_a_call_beyond_the_rates_is_neither_checked_nor_scored(
    call: Ask, scored: list[Request]
) -> None:
    """Whoever has had its minute's worth hears that, whatever it sends."""
    policy = f"{POLICY}limits: {{requests_per_minute: 1}}\n"
    model = ScriptedBackend("edge", lambda _: reply("fine", usage=USAGE))
    async with served({"edge": model, "cloud": model}, policy=policy) as gateway:
        await gateway.stub.Generate(ask())
        assert await _reason(call(gateway, ask(config=WRONG))) == "RATE_LIMITED"
        assert await _reason(call(gateway, ask(LARGE))) == "RATE_LIMITED"
    assert len(scored) == 1


@EVERY_CALL
async def test_a_call_without_a_place_is_neither_checked_nor_scored(call: Ask, scored: list[Request]) -> None:
    """Where every place is taken a call is refused or waits before its schema is read; Explain, too."""
    policy = f"{POLICY}limits: {{concurrency: 1, queue: 0}}\n"
    model = ScriptedBackend("edge", lambda _: [Delay(30.0), reply("late", usage=USAGE)])
    async with served({"edge": model, "cloud": model}, policy=policy) as gateway:
        holds = gateway.stub.Generate(ask())
        while not model.calls:  # noqa: ASYNC110  The server runs in this loop; its progress has no event.
            await asyncio.sleep(0.01)
        assert await _reason(call(gateway, ask(config=WRONG))) == "QUEUE_FULL"
        assert await _reason(call(gateway, ask(LARGE))) == "QUEUE_FULL"
        holds.cancel()
        await gateway.calls.wait_idle()
        assert await _reason(call(gateway, ask(config=WRONG))) == "INVALID_REQUEST"
    assert len(scored) == 1


async def test_whoever_waited_for_a_place_takes_a_turn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many places may become free in the same moment; whoever comes then would wait for all who go on."""
    turns: list[str] = []
    turn = StartQueue.turn

    async def noted(self: StartQueue, tenant: str, until: Deadline) -> None:
        await turn(self, tenant, until)
        turns.append(tenant)

    monkeypatch.setattr(StartQueue, "turn", noted)
    goes_on = asyncio.Event()

    class HeldClock(SystemClock):
        """Sleeps until the test lets it go on."""

        async def sleep(self, delay_s: float) -> None:
            """Wait for the test."""
            await goes_on.wait()

    policy = f"{POLICY}limits: {{concurrency: 2}}\n"
    model = ScriptedBackend("edge", lambda _: [Delay(1.0), reply("fine", usage=USAGE)], clock=HeldClock())
    async with served({"edge": model, "cloud": model}, policy=policy) as gateway:
        calls = [asyncio.ensure_future(_generated(gateway)) for _ in range(5)]
        while len(turns) < 5:  # noqa: ASYNC110  The server runs in this loop; its progress has no event.
            await asyncio.sleep(0.01)
        goes_on.set()
        await asyncio.gather(*calls)
    assert len(turns) == 5 + 3


@EVERY_CALL
async def test_scoring_that_takes_too_long_is_told_in_time(
    call: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller hears DEADLINE from the gateway, not from its own clock, and its place is free again."""
    stopped: list[Request] = []

    async def slow(self: PolicyAssessor, request: Request, *_: object) -> RoutingInput:
        try:
            await asyncio.Event().wait()
            raise AssertionError("nobody lets it end")
        finally:
            stopped.append(request)

    policy = f"{POLICY}limits: {{concurrency: 1, queue: 0}}\n"
    model = ScriptedBackend("edge", lambda _: reply("fine", usage=USAGE))
    async with served({"edge": model, "cloud": model}, policy=policy) as gateway:
        with monkeypatch.context() as patched:
            patched.setattr(PolicyAssessor, "assess", slow)
            assert await _reason(call(gateway, ask(LARGE))) == "DEADLINE"
        assert len(stopped) == 1
        assert (await gateway.stub.Generate(ask())).text == "fine"
    assert len(model.calls) == 1


async def test_an_id_is_refused_before_anything_is_done() -> None:
    """The caller's own id names a call from the beginning, so that a refusal has it, too."""
    policy = f"{POLICY}limits: {{requests_per_minute: 1}}\n"
    model = ScriptedBackend("edge", lambda _: reply("fine", usage=USAGE))
    async with served({"edge": model, "cloud": model}, policy=policy) as gateway:
        assert await _reason(_generate(gateway, ask(request_id="no id"))) == "INVALID_REQUEST"
        await gateway.stub.Generate(ask())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _generate(gateway, ask(request_id="mine"))
    assert failure_of(caught.value).request_id == "mine"
