"""Every fault of a provider, unary and streamed, through real gRPC and real HTTP against a real ledger."""

from pathlib import Path

import grpc
import pytest

from gateway.clock import SystemClock
from gateway.ledger.open import open_ledger
from gateway.simulate.chat import ChatRequest, parse_chat
from gateway.simulate.server import Received
from gateway.v1 import gateway_pb2 as pb
from tests.support.fault_cases import CASES, OK, PATIENCE_S, Case, Seen, play, trial, tries

BUSY_S = 2.0
"""What a busy host may add to a case; a timeout that is multiplied adds more."""
MODES = pytest.mark.parametrize("is_streamed", [False, True], ids=["unary", "streamed"])


@MODES
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_fault(case: Case, is_streamed: bool, tmp_path: Path) -> None:
    """The caller gets a whole answer of the right model, or a clean error, in time, and the books agree."""
    seen, running, totals = await play(case, tmp_path, is_streamed=is_streamed)
    expected = case.streamed if is_streamed else case.unary
    assert (seen.code, seen.reason) == (expected.code, expected.reason)
    assert seen.attempts == expected.attempts
    assert expected.at_least_s <= seen.seconds <= expected.at_most_s + BUSY_S
    called = [(model, reason) for model, reason in expected.attempts if reason != "BREAKER_OPEN"]
    for model in ("strong", "backup"):
        assert running.requests(model) == sum(name == model for name, _ in called), (
            "the list of tries is true"
        )
    if seen.completed is not None:
        check_answer(seen, seen.completed, is_streamed=is_streamed, continued=expected.continued)
        assert seen.completed.model == expected.model
        assert seen.completed.route == expected.route
    bill = running.cloud.bill().billed_usd_nanos
    booked = totals.settled_usd_nanos + totals.unknown_usd_nanos
    assert totals.held_usd_nanos == 0
    assert booked >= bill
    assert booked == bill or totals.unknown_usd_nanos > 0


def check_answer(
    seen: Seen, answer: pb.GenerateResponse, *, is_streamed: bool, continued: bool = False
) -> None:
    """The answer is whole, named truly, and its cost is that of its tries."""
    if answer.route == pb.ROUTE_CANNED:
        assert answer.text == "Sorry."
        return
    if continued:
        assert answer.text.startswith(f"This is strong, and {answer.model} goes on after 3 tokens;")
    else:
        assert answer.text.startswith(f"This is {answer.model}, a simulated model.")
    assert answer.text.endswith(".")
    assert answer.finish_reason == pb.FINISH_REASON_STOP
    assert answer.usage.completion_tokens > 0
    assert seen.spoken == (answer.text if is_streamed else "")
    cuts = sum(reason == "STREAM_TRUNCATED" for _, reason in seen.attempts)
    assert len(seen.voided) == (0 if continued else cuts)
    assert [attempt.continued for attempt in answer.attempts if not attempt.reason] == [continued]
    assert "chatcmpl" not in answer.text + "".join(seen.voided), "garbage leaked"
    answered = [attempt for attempt in answer.attempts if not attempt.reason]
    assert [attempt.model for attempt in answered] == [answer.model]
    assert answer.cost_usd == pytest.approx(sum(attempt.cost_usd for attempt in answer.attempts))
    for failed in answer.attempts:
        if failed.reason in (pb.REASON_RATE_LIMITED, pb.REASON_UPSTREAM_ERROR):
            assert failed.cost_usd == 0.0, "a refusal is not billed as an answer"


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
