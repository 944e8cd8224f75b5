"""The pure parts of dispatch: each decides one thing, and each has its table."""

import contextlib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.canned import Occasion, choose_reply, text_of
from gateway.clock import Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.budget import charge_for
from gateway.dispatch.cooldowns import LONGEST_PAUSE_S, Cooldowns
from gateway.dispatch.failure_summary import code_of, degraded_reason
from gateway.dispatch.layer import Target
from gateway.dispatch.recovery import SentText
from gateway.dispatch.retry import backoff_s
from gateway.dispatch.retry_budget import FLOOR, LATELY_S, RetryBudget, RetryTicket
from gateway.dispatch.time_limit import patience, silence
from gateway.domain.answer import Attempt, Chunk, Delta, Outcome, Restart, Usage
from gateway.domain.decision import Reason, Refusal
from gateway.errors import (
    BackendCutShort,
    BackendFailed,
    BackendReset,
    BackendSilent,
    BackendUnreachable,
    BreakerVerdict,
)
from gateway.policy.model import Backoff, CannedReply, Resilience
from tests.support.dispatch_doubles import CLOUD, EDGE, REPLIES, WORST, a_decision, a_policy, a_request
from tests.support.fakes import FakeClock


def attempt(model: str, reason: Reason | None) -> Attempt:
    """Return a try that did not answer."""
    return Attempt(model=model, outcome=Outcome.FAILED, reason=reason, start_ms=0.0, duration_ms=0.0)


@pytest.mark.parametrize(
    ("attempts", "refused", "reason"),
    [
        ([], [], Reason.ALL_FAILED),
        ([("a", Reason.UPSTREAM_ERROR)], [], Reason.UPSTREAM_ERROR),
        ([("a", Reason.UPSTREAM_ERROR), ("b", Reason.UPSTREAM_ERROR)], [], Reason.UPSTREAM_ERROR),
        ([("a", Reason.UPSTREAM_ERROR), ("b", Reason.UPSTREAM_SILENT)], [], Reason.ALL_FAILED),
        # Each model counts by its last reason only.
        ([("a", Reason.UPSTREAM_UNREACHABLE), ("a", Reason.UPSTREAM_ERROR)], [], Reason.UPSTREAM_ERROR),
        # A retry that was not made is not why the model failed.
        ([("a", Reason.UPSTREAM_ERROR), ("a", Reason.RETRY_BUDGET)], [], Reason.UPSTREAM_ERROR),
        ([], [("cloud", Reason.CLEARANCE)], Reason.CLEARANCE),
        ([("edge", Reason.ENGINE_DOWN)], [("cloud", Reason.CLEARANCE)], Reason.CLEARANCE),
        ([("a", Reason.BUDGET_EXHAUSTED)], [("b", Reason.CLEARANCE)], Reason.CLEARANCE),
        ([("a", Reason.BUDGET_EXHAUSTED), ("b", Reason.ENGINE_DOWN)], [], Reason.BUDGET_EXHAUSTED),
        ([("a", Reason.BUDGET_EXHAUSTED)], [("b", Reason.CAPABILITY)], Reason.BUDGET_EXHAUSTED),
        ([], [("a", Reason.CAPABILITY), ("b", Reason.CONTEXT_LENGTH_EXCEEDED)], Reason.ALL_FAILED),
    ],
)
def test_degraded_reason(
    attempts: Sequence[tuple[str, Reason]], refused: Sequence[tuple[str, Reason]], reason: Reason
) -> None:
    """The one reason of all; else clearance; else budget; else ALL_FAILED."""
    refusals = [Refusal(model=model, reason=why) for model, why in refused]
    assert degraded_reason([attempt(model, why) for model, why in attempts], refusals) is reason


@pytest.mark.parametrize(
    ("reason", "chain", "code"),
    [
        (Reason.BUDGET_EXHAUSTED, ("a",), "RESOURCE_EXHAUSTED"),
        (Reason.RATE_LIMITED, ("a",), "RESOURCE_EXHAUSTED"),
        (Reason.QUEUE_FULL, ("a",), "RESOURCE_EXHAUSTED"),
        (Reason.CLEARANCE, ("edge",), "UNAVAILABLE"),  # The one that may see it is down: try again.
        (Reason.CLEARANCE, (), "FAILED_PRECONDITION"),  # None may ever see it.
        (Reason.CONTEXT_LENGTH_EXCEEDED, (), "INVALID_ARGUMENT"),
        (Reason.CAPABILITY, (), "INVALID_ARGUMENT"),
        (Reason.DEADLINE, (), "DEADLINE_EXCEEDED"),
        (Reason.UPSTREAM_CREDENTIALS, ("a",), "FAILED_PRECONDITION"),
        (Reason.LEDGER_UNAVAILABLE, ("a",), "UNAVAILABLE"),
        (Reason.ALL_FAILED, ("a",), "UNAVAILABLE"),
    ],
)
def test_code(reason: Reason, chain: tuple[str, ...], code: str) -> None:
    """What the caller may do about it decides the status."""
    assert code_of(reason, a_decision(*chain)) == code


@pytest.mark.parametrize(
    ("reason", "chosen"), [(Reason.BUDGET_EXHAUSTED, "over-budget"), (Reason.ALL_FAILED, "sorry")]
)
def test_choose_reply(reason: Reason, chosen: str) -> None:
    """The reply that names the reason, else the catch-all."""
    assert choose_reply(REPLIES, Occasion(reason=reason)).id == chosen


CHOICE = (
    CannedReply(id="later", when_reason=(Reason.BUDGET_EXHAUSTED,), text="Try again in {retry_after_s} s."),
    CannedReply(id="spent", when_reason=(Reason.BUDGET_EXHAUSTED,), text="Used up."),
    CannedReply(id="spent-pl", when_reason=(Reason.BUDGET_EXHAUSTED,), language="pl", text="Wyczerpane."),
    CannedReply(id="red", when_label={"team": "red"}, text="Ask Kim."),
    CannedReply(id="sorry-pl", language="pl", text="Przepraszamy."),
    CannedReply(id="sorry-de", language="de", text="Leider."),
    CannedReply(id="sorry-de-at", language="de-AT", text="Leider nicht."),
    CannedReply(id="sorry", text="Sorry."),
)
SPENT, DOWN = Reason.BUDGET_EXHAUSTED, Reason.ALL_FAILED


@pytest.mark.parametrize(
    ("occasion", "chosen"),
    [
        (Occasion(reason=DOWN), "sorry"),
        (Occasion(reason=DOWN, languages=("pl",)), "sorry-pl"),
        (Occasion(reason=DOWN, languages=("pl-PL",)), "sorry-pl"),
        (Occasion(reason=DOWN, languages=("PL",)), "sorry-pl"),
        (Occasion(reason=DOWN, languages=("plx",)), "sorry"),  # Another language, not a kind of Polish.
        (Occasion(reason=DOWN, languages=("fr",)), "sorry"),
        (Occasion(reason=DOWN, languages=("de-AT",)), "sorry-de"),  # Both serve; the policy's order decides.
        (Occasion(reason=DOWN, languages=("fr", "de", "pl")), "sorry-de"),  # The dearest that there is.
        (Occasion(reason=DOWN, labels={"team": "red"}), "red"),
        (Occasion(reason=DOWN, labels={"team": "blue"}), "sorry"),
        (Occasion(reason=DOWN, labels={"team": "red"}, languages=("pl",)), "red"),  # Labels before language.
        (Occasion(reason=SPENT), "spent"),  # When is not known, so it is not said.
        (Occasion(reason=SPENT, retry_after_s=61.2), "later"),
        (Occasion(reason=SPENT, languages=("pl",), retry_after_s=61.2), "spent-pl"),
        (Occasion(reason=SPENT, languages=("de",)), "spent"),  # The reason before the language.
        (Occasion(reason=SPENT, labels={"team": "red"}), "spent"),  # The reason before the labels.
    ],
)
def test_choose_reply_by_who_asks(occasion: Occasion, chosen: str) -> None:
    """The reason counts first, then labels, then the caller's languages, then the order of the policy."""
    assert choose_reply(CHOICE, occasion).id == chosen


def test_time_to_try_again_in_the_text() -> None:
    """Seconds are whole and never too few."""
    assert text_of(CHOICE[0], Occasion(reason=SPENT, retry_after_s=61.2)) == "Try again in 62 s."


def test_choose_reply_without_catch_all() -> None:
    """A list without a catch-all, which no checked policy has, is a defect and not silence."""
    only = CannedReply(id="x", when_reason=(Reason.BUDGET_EXHAUSTED,), text="x")
    with pytest.raises(LookupError):
        choose_reply((only,), Occasion(reason=Reason.ALL_FAILED))


@given(st.integers(1, 12), st.integers())
def test_backoff(retry: int, seed: int) -> None:
    """The wait doubles from the first to the most, 20 % more or less."""
    wait_s = backoff_s(retry, Backoff(first=0.2, max=4.0), random.Random(seed))
    middle_s = min(0.2 * 2 ** (retry - 1), 4.0)
    assert 0.8 * middle_s <= wait_s <= 1.2 * middle_s


def taken(ticket: RetryTicket) -> bool:
    """Say whether a turn may retry, and count the retry if so."""
    has_room = ticket.has_room
    if has_room:
        ticket.take()
    return has_room


def test_retry_budget_is_asked_without_being_used() -> None:
    """Whoever asks whether there is room takes none: the answer stays the same however often it is asked."""
    with RetryBudget(FakeClock()).ticket() as ticket:
        assert all(ticket.has_room for _ in range(1000))


def test_retry_budget() -> None:
    """A fifth of the requests in flight may retry, and three always may."""
    with contextlib.ExitStack() as stack:
        budget = RetryBudget(FakeClock())
        for _ in range(15):
            stack.enter_context(budget.request())
        first, second, third, fourth = (stack.enter_context(budget.ticket()) for _ in range(4))
        assert [taken(ticket) for ticket in (first, second, third)] == [True, True, True]
        assert taken(first), "a turn that retries may retry again"
        assert not taken(fourth)
        for _ in range(15):
            stack.enter_context(budget.request())
        assert taken(fourth)
    assert (budget.retrying, budget.in_flight) == (0, 0)


def test_retry_budget_of_the_last_seconds() -> None:
    """Retries are a fifth of the requests that came lately, too, however many requests wait."""
    clock = FakeClock()
    with contextlib.ExitStack() as stack:
        budget = RetryBudget(clock)
        for _ in range(200):
            stack.enter_context(budget.request())
        tickets = [stack.enter_context(budget.ticket()) for _ in range(4)]
        assert sum(taken(ticket) for ticket in tickets * 20) == 40, "a fifth of 200"
        assert not taken(tickets[0]), "a turn that retries already has to ask as well"
        clock.advance(LATELY_S + 1)
        assert sum(taken(ticket) for ticket in tickets * 20) == FLOOR * LATELY_S, "no request came lately"


def test_pauses() -> None:
    """A pause lasts as long as the longest wish, up to five minutes."""
    clock = FakeClock()
    pauses = Cooldowns(clock)
    assert pauses.remaining_s("m") == 0.0
    pauses.extend("m", 10.0)
    pauses.extend("m", 1.0)
    clock.advance(4.0)
    assert pauses.remaining_s("m") == 6.0
    assert pauses.remaining_s("other") == 0.0
    pauses.extend("m", 1e9)
    assert pauses.remaining_s("m") == LONGEST_PAUSE_S


USAGE = Usage(prompt_tokens=10, completion_tokens=3)
COST = 10 * 1000 + 3 * 2000


@pytest.mark.parametrize(
    ("usage", "failure", "has_output", "cost"),
    [
        (USAGE, None, True, COST),
        (None, None, True, None),  # An answer without usage: nobody knows.
        (None, BackendFailed("m", "500"), False, 0),
        (None, BackendUnreachable("m", "refused"), False, 0),
        (None, BackendFailed("m", "500"), True, None),  # It had begun to answer, whatever it says now.
        (None, BackendReset("m", "reset"), False, None),
        (None, BackendSilent("m", "silent"), False, None),
        (None, GeneratorExit(), False, None),  # The caller left.
        (USAGE, GeneratorExit(), True, COST),
        (None, ValueError(), False, None),  # A defect of ours is no proof that nothing was billed.
    ],
)
def test_charge(
    usage: Usage | None, failure: BaseException | None, has_output: bool, cost: int | None
) -> None:
    """A known usage is charged as it is; otherwise only a refusal before any output is free."""
    assert (
        charge_for(CLOUD, worst_usd_nanos=WORST, usage=usage, failure=failure, has_output=has_output) == cost
    )


def test_charge_at_the_edge() -> None:
    """A local model costs nothing, with or without usage."""
    for usage in (USAGE, None):
        assert charge_for(EDGE, worst_usd_nanos=0, usage=usage, failure=None, has_output=True) == 0


def a_turn(*, left_s: float, is_last: bool, is_streamed: bool, clock: FakeClock) -> Target:
    """Return a turn with `left_s` seconds until the deadline."""
    resilience = Resilience(attempt_s=20.0, first_token_s=8.0)
    return Target(
        request=a_request(),
        policy=a_policy({"m": CLOUD}, resilience=resilience),
        model="m",
        is_last=is_last,
        is_streamed=is_streamed,
        deadline=Deadline.after(left_s, clock),
        attempt_log=AttemptLog(clock),
    )


@pytest.mark.parametrize(
    ("left_s", "is_last", "is_streamed", "had_s", "reason", "verdict"),
    [
        (60.0, True, False, 20.0, Reason.UPSTREAM_SILENT, BreakerVerdict.FAILURE),
        (60.0, True, True, 8.0, Reason.UPSTREAM_SILENT, BreakerVerdict.FAILURE),
        (
            30.0,
            False,
            False,
            15.0,
            Reason.UPSTREAM_SILENT,
            BreakerVerdict.FAILURE,
        ),  # Half is left for others.
        (4.0, False, False, 2.0, Reason.UPSTREAM_SILENT, BreakerVerdict.IGNORE),  # 2 s of 20 prove nothing.
        (4.0, True, False, 4.0, Reason.DEADLINE, BreakerVerdict.IGNORE),
        (6.0, True, True, 6.0, Reason.UPSTREAM_SILENT, BreakerVerdict.FAILURE),  # 6 s of 8 do.
    ],
)
def test_patience(
    left_s: float, is_last: bool, is_streamed: bool, had_s: float, reason: Reason, verdict: BreakerVerdict
) -> None:
    """A try gets what the policy grants, at most half of what is left while another model follows."""
    clock = FakeClock()
    turn = a_turn(left_s=left_s, is_last=is_last, is_streamed=is_streamed, clock=clock)
    allowed = patience(turn, clock)
    error = silence(turn, allowed)
    assert allowed.until.at_s - clock.monotonic_s() == pytest.approx(had_s)
    assert (error.reason, error.breaker) == (reason, verdict)
    assert isinstance(error, BackendCutShort) is (verdict is BreakerVerdict.IGNORE)


def test_told() -> None:
    """Text that is void is followed by one restart, which says what ended it and who begins next."""
    told = SentText()
    assert told.restart("a") is None
    assert list(told.deltas(Chunk(text="one"), "one", model="")) == [Delta(text="one", attempt=0)]
    told.cut(Reason.STREAM_TRUNCATED)
    told.cut(Reason.UPSTREAM_ERROR)
    assert told.restart("c") == Restart(model="c", reason=Reason.STREAM_TRUNCATED)
    assert told.restart("c") is None
    assert list(told.deltas(Chunk(text="two"), "two", model="")) == [Delta(text="two", attempt=1)]
