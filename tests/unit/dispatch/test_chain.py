"""The chain: who is tried after whom, what ends it, and what the caller gets."""

import asyncio

import pytest

from gateway.clock import Deadline
from gateway.domain.answer import Answer, Attempt, Chunk, Delta, FinishReason, Outcome, Route, Usage
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Reason, Refusal
from gateway.errors import (
    AttemptError,
    BackendConflict,
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendInvalid,
    BackendMisfit,
    BackendModelMissing,
    BackendOverAllowance,
    BackendProtocol,
    BackendQuotaUsedUp,
    BackendRateLimited,
    BackendReset,
    BackendSilent,
    BackendUnreachable,
    BreakerVerdict,
    ContentFiltered,
    ContextTooLong,
    DeadlinePassed,
    EngineDied,
    EngineDown,
    EngineFault,
    EngineQueueFull,
    JsonNotAsked,
    NotCapable,
    NotDegraded,
)
from gateway.policy.model import Resilience
from gateway.policy.sampling import LlamaCppSampling
from gateway.testing.scripted import Delay, Step, reply
from tests.support.dispatch_doubles import EDGE, Bench, a_decision, a_request
from tests.support.virtual_time import virtual_time

USAGE = Usage(prompt_tokens=10, completion_tokens=3)
BACKUP = [reply("from the backup", usage=USAGE)]


def story(attempts: tuple[Attempt, ...]) -> list[tuple[str, str]]:
    """Return each try as (model, reason or outcome)."""
    return [(attempt.model, str(attempt.reason or attempt.outcome)) for attempt in attempts]


@virtual_time
async def test_first_model_answers() -> None:
    """The first model that answers is the only one that is called."""
    bench = Bench({"edge": [reply("at home", usage=USAGE)], "cloud": BACKUP})
    answer = await bench.generate("edge", "cloud")
    assert answer == Answer(
        decision=a_decision("edge", "cloud"),
        message=Message(role=Role.ASSISTANT, content="at home"),
        finish_reason=FinishReason.STOP,
        usage=USAGE,
        route=Route.LOCAL,
        model="edge",
        degraded=None,
        cost_usd_nanos=0,
        attempts=answer.attempts,
    )
    assert story(answer.attempts) == [("edge", "ANSWERED")]
    assert bench.called("cloud") == 0


ERRORS: list[tuple[type[BackendError], int, bool]] = [
    # What came of the first try, calls of that model, whether the next one is tried.
    (BackendUnreachable, 3, True),
    (BackendReset, 3, True),
    (BackendSilent, 1, True),
    (BackendFailed, 3, True),
    (BackendConflict, 3, True),
    (BackendRateLimited, 3, True),
    (BackendQuotaUsedUp, 1, True),
    (BackendCredentials, 1, True),
    (BackendModelMissing, 1, True),
    (BackendProtocol, 3, True),
    (ContextTooLong, 1, True),
    (NotCapable, 1, True),
    (ContentFiltered, 1, False),
    (BackendInvalid, 1, True),
    (JsonNotAsked, 1, True),
    (BackendOverAllowance, 1, True),
    (BackendMisfit, 1, True),
    (EngineDown, 1, True),
    (EngineFault, 1, True),
    (EngineQueueFull, 1, True),
]


@pytest.mark.parametrize(("error", "calls", "falls_back"), ERRORS, ids=lambda value: str(value))
@virtual_time
async def test_error(error: type[BackendError], calls: int, falls_back: bool) -> None:
    """Retry what may heal, go on for what will not, stop for what the caller was refused by a filter."""
    bench = Bench({"cloud": [error("cloud", "x")], "backup": BACKUP})
    if falls_back:
        answer = await bench.generate("cloud", "backup")
        assert answer.text == "from the backup"
        attempts = answer.attempts
    else:
        with pytest.raises(error) as caught:
            await bench.generate("cloud", "backup")
        attempts = caught.value.attempts
        assert bench.called("backup") == 0
    assert bench.called("cloud") == calls
    expected = [("cloud", str(error.reason))] * calls + [("backup", "ANSWERED")] * falls_back
    assert story(attempts) == expected


INVALID: tuple[Step, ...] = (BackendInvalid("cloud", "HTTP 400"),)
INVALID_TOO: tuple[Step, ...] = (BackendInvalid("backup", "HTTP 422"),)


@pytest.mark.parametrize("allow_degraded", [True, False])
@virtual_time
async def test_request_that_every_model_refuses(allow_degraded: bool) -> None:
    """The caller is blamed, not consoled, when all models say that the request is wrong."""
    bench = Bench({"cloud": INVALID, "backup": INVALID_TOO})
    with pytest.raises(BackendInvalid) as caught:
        await bench.generate("cloud", "backup", request=a_request(allow_degraded=allow_degraded))
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", Reason.INVALID_REQUEST)
    assert story(caught.value.attempts) == [("cloud", "INVALID_REQUEST"), ("backup", "INVALID_REQUEST")]


OTHERS = [
    each("backup", "x")
    for each in (BackendFailed, BackendCredentials, BackendSilent, ContextTooLong, NotCapable, BackendMisfit)
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("chain", [("cloud", "backup"), ("backup", "cloud")])
@virtual_time
async def test_request_that_one_model_refuses(other: BackendError, chain: tuple[str, str]) -> None:
    """What only one provider calls invalid is not the caller's fault, whatever became of the others."""
    bench = Bench({"cloud": INVALID, "backup": [other]})
    answer = await bench.generate(*chain)
    assert answer.degraded is not None
    assert answer.degraded.reason is Reason.ALL_FAILED


@virtual_time
async def test_model_that_was_not_asked_refuses_nothing() -> None:
    """A model that a breaker keeps from being asked might have taken the request."""
    bench = Bench({"cloud": [BackendCredentials("cloud", "401")], "backup": INVALID_TOO})
    await bench.generate("cloud", "backup")
    answer = await bench.generate("cloud", "backup")
    assert story(answer.attempts) == [("cloud", "BREAKER_OPEN"), ("backup", "INVALID_REQUEST")]
    assert answer.route is Route.CANNED


@virtual_time
async def test_error_may_be_milder_than_its_kind() -> None:
    """What a provider says in words alone opens no breaker for long: it counts as one failure."""
    mild = BackendCredentials("cloud", "HTTP 400")
    mild.breaker = BreakerVerdict.FAILURE
    bench = Bench({"cloud": [mild], "backup": BACKUP})
    for _ in range(6):
        await bench.generate("cloud", "backup")
    assert bench.called("cloud") == 5, "five in a row open it, as for any failure"
    await bench.clock.sleep(6.0)
    await bench.generate("cloud", "backup")
    assert bench.called("cloud") == 6, "but for 5 s, not for 300"


@virtual_time
async def test_attempt_holds_status_and_code() -> None:
    """An attempt says with which status and machine code the provider refused it."""
    error = ContextTooLong("cloud", "HTTP 400")
    error.http_status, error.upstream_code = 400, "context_length_exceeded"
    answer = await Bench({"cloud": [error], "backup": BACKUP}).generate("cloud", "backup")
    told = [(attempt.http_status, attempt.upstream_code) for attempt in answer.attempts]
    assert told == [(400, "context_length_exceeded"), (None, None)]


@virtual_time
async def test_attempts_have_times() -> None:
    """Attempts say when they began, from the start of dispatch, and how long they took."""
    bench = Bench({"edge": [(Delay(2.0), EngineDown("edge", "x"))], "cloud": [(Delay(3.0), BACKUP[0])]})
    answer = await bench.generate("edge", "cloud")
    assert [attempt.start_ms for attempt in answer.attempts] == pytest.approx([0.0, 2000.0])
    assert [attempt.duration_ms for attempt in answer.attempts] == pytest.approx([2000.0, 3000.0])


@virtual_time
async def test_canned_when_all_fail() -> None:
    """When the chain is used up the canned reply comes, typed, with every attempt."""
    bench = Bench({"edge": [EngineDown("edge", "x")], "cloud": [BackendFailed("cloud", "500")]})
    answer = await bench.generate("edge", "cloud")
    assert (answer.route, answer.model, answer.text) == (Route.CANNED, "", "Sorry.")
    assert answer.degraded is not None
    assert (answer.degraded.reason, answer.degraded.canned_id) == (Reason.ALL_FAILED, "sorry")
    assert story(answer.attempts) == [("edge", "ENGINE_DOWN")] + [("cloud", "UPSTREAM_ERROR")] * 3


@virtual_time
async def test_empty_chain() -> None:
    """A request that no model may see gets the canned reply for the reason of the filter."""
    bench = Bench({"edge": BACKUP})
    answer = await bench.generate(refused=[Refusal(model="cloud", reason=Reason.CLEARANCE)])
    assert answer.degraded is not None
    assert answer.degraded.reason is Reason.CLEARANCE


@virtual_time
async def test_canned_reply_declined() -> None:
    """A caller who declines canned replies gets an error that says why and when to come back."""
    bench = Bench({"edge": [EngineQueueFull("edge", "full", retry_after_s=7.0)]})
    with pytest.raises(NotDegraded) as caught:
        await bench.generate("edge", request=a_request(allow_degraded=False))
    error = caught.value
    assert (error.reason, error.code, error.retry_after_s) == (Reason.QUEUE_FULL, "RESOURCE_EXHAUSTED", 7.0)
    assert story(error.attempts) == [("edge", "QUEUE_FULL")]


@pytest.mark.parametrize("is_streamed", [False, True])
@virtual_time
async def test_engine_died(is_streamed: bool) -> None:
    """A request that an engine died of goes to no other engine, but may go to the cloud."""
    bench = Bench({"edge": [EngineDied("edge", "x")], "edge-2": BACKUP, "cloud": BACKUP})
    if is_streamed:
        answer = (await bench.stream("edge", "edge-2", "cloud"))[-1]
        assert isinstance(answer, Answer)
    else:
        answer = await bench.generate("edge", "edge-2", "cloud")
    assert story(answer.attempts) == [
        ("edge", "ENGINE_DOWN"),
        ("edge-2", "ENGINE_DOWN"),
        ("cloud", "ANSWERED"),
    ]
    assert answer.attempts[1].outcome is Outcome.REFUSED
    assert bench.called("edge-2") == 0


@virtual_time
async def test_unexpected_error() -> None:
    """A defect in a backend is no reason to go on in silence: it comes out as it is."""

    def broken(_: object) -> Chunk:
        raise ZeroDivisionError

    bench = Bench({"cloud": broken, "backup": BACKUP})
    with pytest.raises(ZeroDivisionError):
        await bench.generate("cloud", "backup")
    assert bench.called("backup") == 0


@pytest.mark.parametrize("act", [Delay(1e6), (Delay(30.0), BackendFailed("cloud", "500"))])
@pytest.mark.parametrize("is_streamed", [False, True])
@virtual_time
async def test_deadline_passed(act: Step, is_streamed: bool) -> None:
    """Nothing outlives the caller's deadline, and the error leaves 50 ms before it."""
    bench = Bench({"cloud": [act]})
    dispatch = bench.stream if is_streamed else bench.generate
    with pytest.raises(DeadlinePassed) as caught:
        await dispatch("cloud", timeout_s=10.0)
    assert bench.clock.monotonic_s() == pytest.approx(9.95)
    assert story(caught.value.attempts) == [("cloud", "DEADLINE")]
    assert len(bench.backends["cloud"].stopped) == 1


@virtual_time
async def test_deadline_passed_before() -> None:
    """A request without time is not sent anywhere, and says so for each model."""
    bench = Bench({"edge": BACKUP, "cloud": BACKUP})
    with pytest.raises(DeadlinePassed) as caught:
        await bench.generate("edge", "cloud", timeout_s=0.05)
    assert story(caught.value.attempts) == [("edge", "DEADLINE"), ("cloud", "DEADLINE")]
    assert bench.called("edge") + bench.called("cloud") == 0


@virtual_time
async def test_half_is_left_for_the_next() -> None:
    """A silent model gets half of what is left while another follows; the last one gets the rest."""
    bench = Bench({"cloud": [Delay(1e6)], "backup": [(Delay(4.0), BACKUP[0])]})
    answer = await bench.generate("cloud", "backup", timeout_s=10.0)
    assert story(answer.attempts) == [("cloud", "UPSTREAM_SILENT"), ("backup", "ANSWERED")]
    assert bench.clock.monotonic_s() == pytest.approx(9.95 / 2 + 4.0)
    assert len(bench.backends["cloud"].stopped) == 1


@virtual_time
async def test_unary_try_is_bounded() -> None:
    """A unary try takes no longer than attempt_s, however much is left."""
    bench = Bench({"cloud": [Delay(1e6)]}, resilience=Resilience(attempt_s=5.0))
    answer = await bench.generate("cloud", timeout_s=60.0)
    assert answer.route is Route.CANNED
    assert bench.clock.monotonic_s() == pytest.approx(5.0)


@virtual_time
async def test_no_deadline() -> None:
    """A deadline that never comes bounds nothing; the policy still does."""
    bench = Bench({"cloud": [Delay(1e6)], "backup": BACKUP}, resilience=Resilience(attempt_s=5.0))
    answer = await bench.dispatcher.generate(
        a_request(), a_decision("cloud", "backup"), policy=bench.policy, deadline=Deadline.never()
    )
    assert answer.model == "backup"


@virtual_time
async def test_calls_carry_bounds() -> None:
    """A backend is told the reserved bound of tokens and a deadline within the caller's."""
    bench = Bench({"cloud": BACKUP})
    await bench.generate("cloud", timeout_s=10.0)
    (call,) = bench.backends["cloud"].calls
    assert call.max_tokens == 100
    assert call.deadline.at_s == pytest.approx(9.95)


@virtual_time
async def test_calls_carry_the_sampling_of_the_policy() -> None:
    """An engine outlives a reload, so what the policy says of sampling comes with each call."""
    specs = {"edge": EDGE.model_copy(update={"sampling": LlamaCppSampling(top_k=5)})}
    bench = Bench({"edge": BACKUP}, specs=specs)
    await bench.generate("edge")
    (call,) = bench.backends["edge"].calls
    assert call.sampling == {"top_k": 5}


@pytest.mark.parametrize("delays", [0, 1, 3])
@virtual_time
async def test_cancelled_caller(delays: int) -> None:
    """Cancelling a unary request stops the backend at once, whatever it is doing."""
    bench = Bench({"cloud": [(*[Delay(1.0)] * delays, Delay(1e6))], "backup": BACKUP})
    task = asyncio.ensure_future(bench.generate("cloud", "backup"))
    await asyncio.sleep(delays + 0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(bench.backends["cloud"].stopped) == 1
    assert bench.called("backup") == 0


def test_every_error_is_in_the_table() -> None:
    """A new kind of backend error must say here what dispatch does about it."""

    def leaves(kind: type[AttemptError]) -> set[type[AttemptError]]:
        return {kind}.union(*(leaves(child) for child in kind.__subclasses__()))

    # A cut is in the tests of streams, a died engine and a doubt have their own, the rest are of a family
    # that is there.
    elsewhere = {
        "BackendError",
        "NotConfident",
        "StreamTruncated",
        "EngineDied",
        "BackendCutShort",
        "BackendOverloaded",
    }
    named = {kind.__name__ for kind, *_ in ERRORS} | elsewhere
    assert {kind.__name__ for kind in leaves(BackendError)} == named


@virtual_time
async def test_stream_yields_deltas_then_answer() -> None:
    """A stream is its deltas and then the whole answer."""
    bench = Bench({"edge": [reply("one two", usage=USAGE)]})
    *deltas, answer = await bench.stream("edge")
    assert deltas == [
        Delta(text="one ", attempt=0, model="edge"),
        Delta(text="two", attempt=0, model="edge"),
    ]
    assert isinstance(answer, Answer)
    assert (answer.text, answer.usage) == ("one two", USAGE)
