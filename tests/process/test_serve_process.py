"""The real thing: a gateway process, its engine process, a simulated provider, signals."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cli.demo.stage import CLOUD, Stage, running_stage, state_url
from gateway.client.failure import CallFailed
from gateway.client.prompt import prompt
from gateway.ledger.open import open_ledger
from gateway.v1 import gateway_pb2 as pb

HARD = (
    "Prove step by step that every continuous function on a compact set is bounded, and compare two proofs."
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Everything that `gateway demo` starts."""
    async with running_stage(tmp_path) as running:
        yield running


async def _gone(pid: int) -> None:
    """Return when no process has this pid; a zombie that nobody reaped counts as gone."""
    async with asyncio.timeout(10):
        while _is_running(pid):  # noqa: ASYNC110  Another process decides.
            await asyncio.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_sigterm_lets_a_stream_end_and_takes_the_engine_along(stage: Stage) -> None:
    """A stream in flight is completed after SIGTERM, then gateway and engine are gone, with status 0."""
    engine = stage.gateway.engine_pid
    stage.cloud.set_fault(CLOUD, "drip", value=0.05)
    events = []
    async with stage.client("t") as client:
        async for event in client.stream(prompt(HARD, max_tokens=64), timeout_s=20):
            events.append(event)
            if len(events) == 3:
                ending = asyncio.create_task(stage.gateway.end())

    await ending

    assert events[-1].completed.route == pb.ROUTE_CLOUD
    assert stage.gateway.exit_status == 0
    await _gone(engine)


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
async def test_killing_the_gateway_leaves_no_engine(stage: Stage, is_stopped: bool) -> None:
    """After kill -9 of the gateway its engine ends by itself, though it be stopped."""
    engine = stage.gateway.engine_pid
    assert _is_running(engine)
    if is_stopped:
        os.kill(engine, signal.SIGSTOP)

    os.kill(stage.gateway.pid, signal.SIGKILL)

    await _gone(engine)


async def test_a_killed_engine_comes_back(stage: Stage) -> None:
    """kill -9 of the engine shows in health, cloud traffic goes on, and a new engine answers again."""
    first = stage.gateway.engine_pid
    await stage.kill_engine()
    async with stage.client("t") as client:
        hard = await client.generate(prompt(HARD, max_tokens=64), timeout_s=20)
        await stage.wait_engine()
        easy = await client.generate(prompt("Hello!"), timeout_s=20)

    assert hard.route == pb.ROUTE_CLOUD
    assert easy.route == pb.ROUTE_LOCAL
    assert stage.gateway.engine_pid != first


async def test_a_gateway_killed_in_a_call_leaves_the_spend_charged(stage: Stage, tmp_path: Path) -> None:
    """What was dialled when the gateway was killed stays in the ledger: never less than the bill."""
    stage.cloud.set_fault(CLOUD, "drip", value=0.05)
    with contextlib.suppress(CallFailed):
        async with stage.client("t") as client:
            async for event in client.stream(prompt(HARD, max_tokens=64), timeout_s=20):
                if event.HasField("delta"):
                    os.kill(stage.gateway.pid, signal.SIGKILL)
    ledger = open_ledger(state_url(tmp_path))
    totals = await ledger.totals()
    await ledger.aclose()

    assert totals.held_usd_nanos + totals.unknown_usd_nanos >= stage.cloud.bill().billed_usd_nanos > 0


async def test_private_text_never_reaches_the_provider(stage: Stage) -> None:
    """Not one byte of a private prompt, its stop strings or its schema is sent, with the engine dead too."""
    marked = prompt("Reach me at canary@example.org. " + HARD, max_tokens=64)
    marked.config.stop.append("canary-stop 4111 1111 1111 1111")
    marked.config.json_schema = '{"title": "canary-schema"}'
    async with stage.client("t") as client:
        await client.generate(marked, timeout_s=20)
        await stage.kill_engine()
        response = await client.generate(marked, timeout_s=20)
        public = await client.generate(prompt(HARD, max_tokens=64), timeout_s=20)

    sent = b"".join(received.raw() for received in stage.cloud.received())
    assert response.route == pb.ROUTE_CANNED
    assert public.route == pb.ROUTE_CLOUD
    assert b"continuous function" in sent
    assert b"canary" not in sent
