"""Pairs: what two parts of dispatch do together, and one property that holds whatever goes wrong."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backends.base import Call
from gateway.domain.answer import (
    Answer,
    Chunk,
    Delta,
    FinishReason,
    Outcome,
    Reply,
    Restart,
    Route,
    StreamEvent,
    Usage,
)
from gateway.domain.decision import Reason, Refusal
from gateway.errors import (
    BackendConflict,
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendInvalid,
    BackendProtocol,
    BackendRateLimited,
    BackendReset,
    BackendSilent,
    BackendUnreachable,
    Charge,
    ContentFiltered,
    DeadlinePassed,
    EngineDied,
    EngineDown,
    EngineQueueFull,
    GatewayError,
    NotDegraded,
    StreamTruncated,
)
from gateway.policy.model import Backoff, Resilience
from gateway.testing.scripted import Delay, Step, reply
from tests.support.dispatch_doubles import WORST, Bench, a_budget, a_request
from tests.support.draws import examples
from tests.support.virtual_time import VirtualLoop, virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)
COST = 10 * 1000 + 3 * 2000
OK = reply("fine", usage=USAGE)
FAILED = BackendFailed("cloud", "500")
HALF = Chunk(text="half ")


class TestRetryAndBreaker:
    """The breaker is inside the retry."""

    @virtual_time
    async def test_open_breaker_is_not_retried(self) -> None:
        """An open breaker is passed over at once: no call, no wait, no second try."""
        bench = Bench({"cloud": [FAILED], "backup": [OK]})
        for _ in range(2):
            await bench.generate("cloud", "backup")
        calls, now_s = bench.called("cloud"), bench.clock.monotonic_s()
        answer = await bench.generate("cloud", "backup")
        assert [(a.outcome, a.reason) for a in answer.attempts] == [
            (Outcome.REFUSED, Reason.BREAKER_OPEN),
            (Outcome.ANSWERED, None),
        ]
        assert (bench.called("cloud"), bench.clock.monotonic_s()) == (calls, now_s)

    @virtual_time
    async def test_failure_that_opens_it_ends_the_retries(self) -> None:
        """The failure that opens the breaker is the last try: five calls for two requests of three tries."""
        bench = Bench({"cloud": [FAILED], "backup": [OK]})
        for _ in range(2):
            answer = await bench.generate("cloud", "backup")
        assert bench.called("cloud") == 5
        assert [a.reason for a in answer.attempts] == [Reason.UPSTREAM_ERROR, Reason.UPSTREAM_ERROR, None]

    @virtual_time
    async def test_all_open_is_canned(self) -> None:
        """When every breaker is open the canned reply comes, and nobody is tried anyway."""
        bench = Bench({"cloud": [BackendCredentials("cloud", "401")]})
        await bench.generate("cloud")
        with pytest.raises(NotDegraded) as caught:
            await bench.generate("cloud", request=a_request(allow_degraded=False))
        assert (caught.value.reason, caught.value.retry_after_s) == (Reason.BREAKER_OPEN, 300.0)
        assert bench.called("cloud") == 1

    @virtual_time
    async def test_rate_limits_do_not_open_it(self) -> None:
        """However often a model says 429, its breaker stays closed."""
        bench = Bench({"cloud": [BackendRateLimited("cloud", "429")] * 12 + [OK]})
        for _ in range(4):
            await bench.generate("cloud")
        await asyncio.sleep(1.0)
        assert (await bench.generate("cloud")).model == "cloud"

    @virtual_time
    async def test_recovery(self) -> None:
        """After 5 s one request probes while others pass the model over; its answer closes the breaker."""
        bench = Bench({"cloud": [FAILED] * 5 + [(Delay(1.0), OK), OK], "backup": [OK]})
        for _ in range(2):
            await bench.generate("cloud", "backup")
        await asyncio.sleep(5.0)
        first, second = await asyncio.gather(*(bench.generate("cloud", "backup") for _ in range(2)))
        assert (first.model, second.model) == ("cloud", "backup")
        assert (await bench.generate("cloud", "backup")).model == "cloud"

    @virtual_time
    async def test_cancelled_probe(self) -> None:
        """A probe whose caller leaves does not leave the breaker half open for ever."""
        bench = Bench({"cloud": [FAILED] * 5 + [Delay(1e6), OK]})
        for _ in range(2):
            await bench.generate("cloud")
        await asyncio.sleep(5.0)
        probe = asyncio.ensure_future(bench.generate("cloud"))
        await asyncio.sleep(1.0)
        probe.cancel()
        await asyncio.wait([probe])
        assert (await bench.generate("cloud")).model == "cloud"


class TestBreakerAndBudget:
    """The reservation is inside the breaker."""

    @virtual_time
    async def test_open_breaker_reserves_nothing(self) -> None:
        """What is passed over costs nothing, not even for a moment."""
        bench = Bench({"cloud": [BackendCredentials("cloud", "401")]}, budgets=[a_budget(WORST)])
        for _ in range(2):
            answer = await bench.generate("cloud")
        assert answer.attempts[0].reason is Reason.BREAKER_OPEN
        assert (await bench.ledger.totals()).held_usd_nanos == 0

    @virtual_time
    async def test_refused_reservation_is_no_outcome(self) -> None:
        """A budget that is used up says nothing about the model: its breaker stays closed."""
        bench = Bench({"cloud": [OK]}, budgets=[a_budget(WORST - 1)])
        for _ in range(6):
            answer = await bench.generate("cloud")
        assert [a.reason for a in answer.attempts] == [Reason.BUDGET_EXHAUSTED]

    @virtual_time
    async def test_probe_without_budget(self) -> None:
        """A probe that the budget refuses leaves room for the next probe."""
        fits_one = a_request()
        bench = Bench({"cloud": [FAILED] * 5 + [OK]}, budgets=[a_budget(WORST)])
        for _ in range(2):
            await bench.generate("cloud")
        await asyncio.sleep(5.0)
        refused = await bench.generate("cloud", request=a_request(max_cost_usd_nanos=1))
        assert [a.reason for a in refused.attempts] == [Reason.BUDGET_EXHAUSTED]
        assert (await bench.generate("cloud", request=fits_one)).model == "cloud"


class TestRetryAndDeadline:
    """No wait is begun that the deadline would cut."""

    @virtual_time
    async def test_no_sleep_beyond_the_deadline(self) -> None:
        """A backoff that does not fit is not slept: the next model gets the time."""
        resilience = Resilience(backoff_s=Backoff(first=20.0, max=20.0))
        bench = Bench({"cloud": [FAILED], "backup": [OK]}, resilience=resilience)
        answer = await bench.generate("cloud", "backup", timeout_s=10.0)
        assert answer.model == "backup"
        assert (bench.called("cloud"), bench.clock.monotonic_s()) == (1, 0.0)

    @virtual_time
    async def test_all_tries_share_it(self) -> None:
        """Tries that are slow to fail use up the same time, and the last one is cut."""
        bench = Bench({"cloud": [(Delay(4.0), FAILED)]})
        with pytest.raises(DeadlinePassed) as caught:
            await bench.generate("cloud", timeout_s=10.0)
        assert bench.clock.monotonic_s() == pytest.approx(9.95)
        assert [a.reason for a in caught.value.attempts] == [
            Reason.UPSTREAM_ERROR,
            Reason.UPSTREAM_ERROR,
            Reason.DEADLINE,
        ]

    @virtual_time
    async def test_short_deadlines_open_no_breaker(self) -> None:
        """Callers in a hurry cannot switch a slow but healthy model off for everybody."""
        bench = Bench({"cloud": [(Delay(3.0), OK)]})
        for _ in range(8):
            with pytest.raises(DeadlinePassed):
                await bench.generate("cloud", timeout_s=1.0)
        assert (await bench.generate("cloud")).model == "cloud"


class TestFallbackAndBudget:
    """What a failed model cost counts for the next one."""

    @virtual_time
    async def test_first_failure_uses_up_the_budget(self) -> None:
        """A call that nobody knows the cost of leaves no room for the backup; the edge is free."""
        bench = Bench(
            {"cloud": [BackendSilent("cloud", "x")], "backup": [OK], "edge": [OK]},
            budgets=[a_budget(2 * WORST - 1)],
        )
        answer = await bench.generate("cloud", "backup", "edge")
        assert [(a.model, a.reason) for a in answer.attempts] == [
            ("cloud", Reason.UPSTREAM_SILENT),
            ("backup", Reason.BUDGET_EXHAUSTED),
            ("edge", None),
        ]
        assert (answer.route, answer.cost_usd_nanos) == (Route.LOCAL, WORST)

    @virtual_time
    async def test_refusal_leaves_room(self) -> None:
        """A call that the provider refused gives its reservation back in time for the backup."""
        bench = Bench(
            {"cloud": [BackendCredentials("cloud", "x")], "backup": [OK]}, budgets=[a_budget(WORST)]
        )
        assert (await bench.generate("cloud", "backup")).model == "backup"

    @virtual_time
    async def test_many_callers_share_a_budget(self) -> None:
        """Of many callers at once only those within the budget reach the cloud; the others get the edge."""
        bench = Bench({"cloud": [(Delay(1.0), OK)], "edge": [OK]}, budgets=[a_budget(3 * WORST)])
        answers = await asyncio.gather(*(bench.generate("cloud", "edge") for _ in range(10)))
        assert sum(answer.route is Route.CLOUD for answer in answers) == 3
        assert (await bench.ledger.totals()).settled_usd_nanos == 3 * COST


class TestFallbackAndPrivacy:
    """Dispatch never adds to the chain."""

    @pytest.mark.parametrize(
        "failure",
        [
            EngineDown("edge", "x"),
            EngineDied("edge", "x"),
            EngineQueueFull("edge", "x"),
            Delay(1e6),
            ValueError(),
        ],
        ids=lambda failure: type(failure).__name__,
    )
    @virtual_time
    async def test_private_request_stays(self, failure: Step) -> None:
        """However the edge fails, a request that only the edge may see reaches no other model."""
        bench = Bench({"edge": [failure], "cloud": [OK]})
        refused = [Refusal(model="cloud", reason=Reason.CLEARANCE)]
        if isinstance(failure, ValueError):
            with pytest.raises(ValueError):  # noqa: PT011 - a bare defect, as it comes.
                await bench.generate("edge", refused=refused)
        else:
            answer = await bench.generate("edge", refused=refused)
            assert answer.degraded is not None
            assert answer.degraded.reason is Reason.CLEARANCE
        assert bench.called("cloud") == 0


class TestRecoveryAndBudget:
    """A restart is a new call, and is paid for as one."""

    @virtual_time
    async def test_restart_is_reserved(self) -> None:
        """Both the cut answer and the whole one are charged."""
        bench = Bench({"cloud": [(HALF,)], "backup": [OK]}, budgets=[a_budget(10 * WORST)])
        answer = (await bench.stream("cloud", "backup"))[-1]
        assert isinstance(answer, Answer)
        assert answer.cost_usd_nanos == WORST + COST
        totals = await bench.ledger.totals()
        assert (totals.unknown_usd_nanos, totals.settled_usd_nanos) == (WORST, COST)

    @virtual_time
    async def test_restart_without_budget(self) -> None:
        """A restart that the budget does not cover is not begun: the canned reply stands in."""
        bench = Bench({"cloud": [(HALF,)], "backup": [OK]}, budgets=[a_budget(2 * WORST - 1)])
        events = await bench.stream("cloud", "backup")
        assert [type(event) for event in events] == [Delta, Restart, Answer]
        assert isinstance(events[-1], Answer)
        assert events[-1].degraded is not None
        assert events[-1].degraded.reason is Reason.BUDGET_EXHAUSTED
        assert bench.called("backup") == 0


# The property: random faults, everywhere at once.

MODELS = ("edge", "edge-2", "cloud", "backup")
OUTSIDE = "outside"

FAULTS = st.sampled_from(
    [
        BackendUnreachable, BackendReset, BackendSilent, BackendFailed, BackendConflict, BackendRateLimited,
        BackendCredentials, BackendProtocol, StreamTruncated, ContentFiltered, BackendInvalid, EngineDown,
        EngineDied, EngineQueueFull,
    ]
)  # fmt: skip
PIECES = st.sampled_from(["a ", "b ", ""])


class Provider:
    """Plays drawn steps as one model, and keeps the bill that a real provider would send at most."""

    def __init__(self, name: str, draws: Sequence[tuple[str, object]]) -> None:
        self.name = name
        self.draws = list(draws)
        self.texts: set[str] = set()
        self.bill = 0

    def __call__(self, call: Call) -> Step:
        """Return the next step, and write the bill: full usage, nothing if refused, else the worst case."""
        kind, detail = self.draws.pop(0) if self.draws else ("answer", USAGE)
        text = f"{self.name} says {len(self.draws)}"
        match kind:
            case "answer":
                assert detail is None or isinstance(detail, Usage)
                self.texts.add(text)
                self.bill += WORST if detail is None else COST
                return Reply(text=text, finish_reason=FinishReason.STOP, usage=detail)
            case "fault":
                assert isinstance(detail, type)
                error: BackendError = detail(self.name, "x")
                self.bill += 0 if error.charge is Charge.NONE else WORST
                return error
            case "cut":
                assert isinstance(detail, tuple)
                self.bill += WORST
                return (*(Chunk(text=piece) for piece in detail[0]), *detail[1])
        assert isinstance(detail, float)
        self.texts.add(text)
        self.bill += COST
        return (Delay(detail), Reply(text=text, finish_reason=FinishReason.STOP, usage=USAGE))


STEPS = st.one_of(
    st.tuples(st.just("answer"), st.sampled_from([USAGE, None])),
    st.tuples(st.just("fault"), FAULTS),
    st.tuples(
        st.just("cut"),
        st.tuples(
            st.lists(PIECES, min_size=1, max_size=3),
            st.sampled_from(
                [(), (Delay(1e4),), (StreamTruncated("x", "cut"),), (BackendReset("x", "reset"),)]
            ),
        ),
    ),
    st.tuples(st.just("slow"), st.sampled_from([0.5, 3.0, 20.0, 1e4])),
)


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_whatever_goes_wrong(data: st.DataObject) -> None:
    """One model's whole text, or canned, or an error; nothing undercharged, nobody else called."""
    chain = data.draw(st.lists(st.sampled_from(MODELS), unique=True, max_size=4), label="chain")
    providers = {
        name: Provider(name, data.draw(st.lists(STEPS, max_size=6), label=name))
        for name in (*MODELS, OUTSIDE)
    }
    limit = data.draw(st.sampled_from([0, WORST, 4 * WORST, 100 * WORST]), label="budget")
    recovery = data.draw(st.sampled_from(["restart", "fail"]), label="recovery")
    rounds = data.draw(
        st.lists(
            st.tuples(
                st.booleans(),  # is_streamed
                st.booleans(),  # allow_degraded
                st.sampled_from([0.02, 2.0, 60.0]),  # timeout_s
                st.sampled_from([None, None, 1, 2]),  # leave_after
            ),
            min_size=1,
            max_size=4,
        ),
        label="requests",
    )

    async def run() -> None:
        bench = Bench(
            providers, budgets=[a_budget(limit)], resilience=Resilience.model_validate({"recovery": recovery})
        )
        charged = 0
        for is_streamed, allow_degraded, timeout_s, leave_after in rounds:
            began_s = bench.clock.monotonic_s()
            try:
                request = a_request(allow_degraded=allow_degraded)
                events: list[StreamEvent]
                if is_streamed:
                    events = await bench.stream(
                        *chain, request=request, timeout_s=timeout_s, leave_after=leave_after
                    )
                else:
                    events = [await bench.generate(*chain, request=request, timeout_s=timeout_s)]
            except GatewayError as error:
                charged += sum(attempt.cost_usd_nanos for attempt in error.attempts)
            else:
                charged += check_events(
                    events,
                    providers,
                    is_streamed=is_streamed,
                    allow_degraded=allow_degraded,
                    left=leave_after,
                )
            assert bench.clock.monotonic_s() <= began_s + max(timeout_s - 0.05, 0.0) + 1e-3
        await bench.dispatcher.drained()
        totals = await bench.ledger.totals()
        booked = totals.settled_usd_nanos + totals.unknown_usd_nanos
        assert totals.held_usd_nanos == 0
        assert sum(providers[name].bill for name in ("cloud", "backup")) <= booked <= limit
        assert charged <= booked
        assert bench.called(OUTSIDE) == 0
        assert all(not bench.called(name) for name in set(MODELS) - set(chain))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())


def check_events(
    events: Sequence[StreamEvent],
    providers: dict[str, Provider],
    *,
    is_streamed: bool,
    allow_degraded: bool,
    left: int | None,
) -> int:
    """Check what one caller saw; return what the answer says that it cost."""
    answer = events[-1]
    if not isinstance(answer, Answer):
        assert left is not None, "a stream ended well without an answer"
        return 0
    if answer.degraded is not None:
        assert allow_degraded
        assert (answer.route, answer.model) == (Route.CANNED, "")
        assert answer.text in ("Sorry.", "Used up.")
    else:
        assert answer.text in providers[answer.model].texts
        last = max((event.attempt for event in events if isinstance(event, Delta)), default=0)
        spoken = "".join(event.text for event in events if isinstance(event, Delta) and event.attempt == last)
        assert spoken == answer.text or not is_streamed
    restarts = sum(isinstance(event, Restart) for event in events)
    attempts = {event.attempt for event in events if isinstance(event, Delta)}
    assert len(attempts) <= restarts + 1
    assert answer.cost_usd_nanos == sum(attempt.cost_usd_nanos for attempt in answer.attempts)
    return answer.cost_usd_nanos
