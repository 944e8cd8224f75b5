"""Every fault of a provider, unary and streamed, through real gRPC and real HTTP against a real ledger."""

from pathlib import Path

import grpc
import pytest

from gateway.clock import SystemClock
from gateway.ledger.open import open_ledger
from gateway.simulate.chat import ChatRequest, parse_chat
from gateway.simulate.server import Received
from tests.support.fault_cases import CASES, OK, PATIENCE_S, Case, check_case, trial, tries

MODES = pytest.mark.parametrize("is_streamed", [False, True], ids=["unary", "streamed"])


@MODES
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_fault(case: Case, is_streamed: bool, tmp_path: Path) -> None:
    """The caller gets a whole answer of the right model, or a clean error, in time, and the books agree."""
    await check_case(case, tmp_path, is_streamed=is_streamed)


WIRED = tuple(case for case in CASES if not case.unary.at_least_s)
"""Those in which no time is waited out, which is the same whatever the API."""


@MODES
@pytest.mark.parametrize("api", ["responses", "messages"])
@pytest.mark.parametrize("case", WIRED, ids=[case.name for case in WIRED])
async def test_fault_of_another_api(case: Case, api: str, is_streamed: bool, tmp_path: Path) -> None:
    """What a fault comes to does not depend on the API in which the provider has it."""
    await check_case(case, tmp_path, is_streamed=is_streamed, api=api)


async def test_same_answer_of_another_host_goes_on(tmp_path: Path) -> None:
    """A model that cannot be handed the text is asked for all of it, and what it says beyond follows."""
    async with trial(tmp_path, route="[strong, twin]", more="recovery: resume") as running:
        running.cloud.set_fault("strong", "cut", value=9, times=1)
        seen = await running.ask(is_streamed=True)
        assert seen.attempts == tries("strong", "STREAM_TRUNCATED") + tries("twin", OK)
        assert seen.completed is not None
        assert seen.voided == ()
        assert seen.spoken == seen.completed.text
        assert seen.completed.text.startswith("This is strong, a simulated model.")
        whole = [request.messages for request in map(_body, running.cloud.received())]
        assert whole[0] == whole[1], "no word of the answer was sent"


def _body(received: Received) -> ChatRequest:
    return parse_chat(received.body)


@MODES
async def test_model_that_asked_for_a_pause_gets_it(is_streamed: bool, tmp_path: Path) -> None:
    """While a Retry-After runs no request goes to that model; the backup answers at once."""
    async with trial(tmp_path) as running:
        running.cloud.set_fault("strong", "status", value=429, retry_after_s=30, times=1)
        await running.ask(is_streamed=is_streamed)
        for _ in range(3):
            seen = await running.ask(is_streamed=is_streamed)
            assert seen.attempts == tries("strong", "RATE_LIMITED") + tries("backup", OK)
            assert seen.seconds < PATIENCE_S
        assert running.requests("strong") == 1


async def test_abandoned_stream_is_charged(tmp_path: Path) -> None:
    """A caller who leaves in the middle leaves a charge that is not below the bill, and nothing held."""
    async with trial(tmp_path) as running:
        running.cloud.set_fault("strong", "drip", value=0.05)
        seen = await running.ask(is_streamed=True, timeout_s=0.4)
        assert seen.code is grpc.StatusCode.DEADLINE_EXCEEDED
    bill = running.cloud.bill().billed_usd_nanos
    ledger = open_ledger(running.ledger_url)
    totals = await ledger.totals()
    await ledger.aclose()
    assert totals.held_usd_nanos == 0
    assert totals.unknown_usd_nanos >= bill > 0


class FastClock(SystemClock):
    """A clock by which everything takes a thirtieth of the time."""

    def monotonic_s(self) -> float:
        """Seconds, thirty for each real one."""
        return super().monotonic_s() * 30.0

    async def sleep(self, delay_s: float) -> None:
        """Wait for a thirtieth of it."""
        await super().sleep(delay_s / 30.0)


@MODES
async def test_provider_that_is_down_for_a_minute(is_streamed: bool, tmp_path: Path) -> None:
    """Meanwhile the backup answers and probes are few; within 30 s of its recovery the provider is back."""
    clock = FastClock()
    async with trial(tmp_path, clock=clock) as running:
        await running.ask(is_streamed=is_streamed)  # The first call is slow, by thirty times as much here.
        running.cloud.reset()
        running.cloud.set_fault("strong", "status", value=503)
        began_s = clock.monotonic_s()
        while clock.monotonic_s() - began_s < 60.0:
            seen = await running.ask(is_streamed=is_streamed)
            assert seen.completed is not None
            assert seen.completed.model == "backup"
            await clock.sleep(1.0)
        # Five failures open the breaker; then there are probes after 5, 10, 20 and 20 s.
        assert running.requests("strong") <= 10
        running.cloud.clear_faults()
        up_s = clock.monotonic_s()
        while seen.completed is not None and seen.completed.model == "backup":
            await clock.sleep(1.0)
            seen = await running.ask(is_streamed=is_streamed)
        assert seen.attempts == tries("strong", OK)
        assert clock.monotonic_s() - up_s <= 30.0
