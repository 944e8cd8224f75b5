"""How long a model may be silent: before its first text, in the middle, and when it closes the connection."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.answer import Answer, Chunk, FinishReason, StreamEvent
from gateway.domain.decision import Reason
from gateway.errors import BackendFailed, BackendProtocol, BackendReset, DeadlinePassed
from gateway.policy.model import ModelSpec, Resilience
from gateway.testing.scripted import Act, Delay, Step, reply
from tests.support.dispatch_doubles import CLOUD, EDGE, Bench
from tests.support.draws import examples
from tests.support.virtual_time import virtual_time

HALF = Chunk(text="half ")
ALIVE = Chunk()
"""What a backend yields for a role or a thought."""
STOP = Chunk(finish_reason=FinishReason.STOP)
BACKUP: tuple[Step, ...] = (reply("from the backup"),)
PLAIN = CLOUD.model_copy(update={"model": "plain-chat"})
THINKER = CLOUD.model_copy(update={"model": "o3"})


def answer_of(events: list[StreamEvent]) -> Answer:
    """Return the last event of a stream that ended well."""
    answer = events[-1]
    assert isinstance(answer, Answer)
    return answer


def reasons_of(events: list[StreamEvent]) -> list[tuple[str, Reason | None]]:
    """Return why each attempt did not answer."""
    return [(attempt.model, attempt.reason) for attempt in answer_of(events).attempts]


@settings(max_examples=examples(60), deadline=None)
@given(timeout_s=st.floats(2.0, 60.0), stall_s=st.floats(0.5, 100.0), spoken=st.integers(1, 4))
def test_stall_leaves_time_for_the_next(timeout_s: float, stall_s: float, spoken: int) -> None:
    """However long stall_s is, a stream that stalls keeps at most half of what is left for the next model."""

    @virtual_time
    async def play() -> None:
        acts: list[Act] = [*[HALF] * spoken, Delay(1e6)]
        bench = Bench({"cloud": [acts], "backup": BACKUP}, resilience=Resilience(stall_s=stall_s))
        events = await bench.stream("cloud", "backup", timeout_s=timeout_s)
        assert answer_of(events).text == "from the backup"
        assert reasons_of(events) == [("cloud", Reason.STREAM_TRUNCATED), ("backup", None)]
        expected_s = min(stall_s, (timeout_s - 0.05) / 2)
        assert bench.clock.monotonic_s() == pytest.approx(expected_s, abs=0.01)

    play()


@virtual_time
async def test_stall_of_the_last_model_may_take_stall_s() -> None:
    """Where nobody follows there is nobody to leave time to."""
    bench = Bench({"cloud": [(HALF, Delay(8.0), STOP)]}, resilience=Resilience(stall_s=9.0))
    assert answer_of(await bench.stream("cloud", timeout_s=10.0)).text == "half "


@virtual_time
async def test_short_stall_blames_nobody() -> None:
    """Callers in a hurry cut streams short; that opens no breaker for the others."""
    bench = Bench({"cloud": [(HALF, Delay(1e6))], "backup": BACKUP})
    for _ in range(8):
        await bench.stream("cloud", "backup", timeout_s=5.0)
    assert bench.called("cloud") == 8
    for _ in range(8):
        await bench.stream("cloud", "backup", timeout_s=60.0)
    assert bench.called("cloud") == 13, "ten seconds of silence, five times"


@settings(max_examples=examples(60), deadline=None)
@given(piece_s=st.floats(0.01, 2.0), pieces=st.integers(3, 30))
def test_stream_keeps_its_rhythm(piece_s: float, pieces: int) -> None:
    """A stream that comes in few large pieces is not cut shortly before it would have ended in time."""

    @virtual_time
    async def play() -> None:
        piece: list[Act] = [Delay(piece_s), HALF]
        acts = [HALF, *piece * pieces, STOP]
        bench = Bench({"cloud": [acts], "backup": BACKUP})
        events = await bench.stream("cloud", "backup", timeout_s=piece_s * pieces + 0.1)
        assert reasons_of(events) == [("cloud", None)]

    play()


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("error", [BackendReset("cloud", "x"), BackendProtocol("cloud", "x")])
@virtual_time
async def test_closing_after_long_silence_is_silence(
    error: BackendReset | BackendProtocol, is_streamed: bool
) -> None:
    """It is not tried again, for the next try would be silent as long; the next model is asked."""
    bench = Bench({"cloud": [(Delay(6.0), error)], "backup": BACKUP})
    dispatch = bench.stream if is_streamed else bench.generate
    result = await dispatch("cloud", "backup", timeout_s=60.0)
    answer = answer_of(result) if isinstance(result, list) else result
    assert [a.reason for a in answer.attempts] == [Reason.UPSTREAM_SILENT, None]
    assert bench.clock.monotonic_s() == pytest.approx(6.0)


@pytest.mark.parametrize("error", [BackendReset("cloud", "x"), BackendProtocol("cloud", "x")])
@virtual_time
async def test_closing_soon_is_tried_again(error: BackendReset | BackendProtocol) -> None:
    """A connection that was closed meanwhile shows at once, and another one heals it."""
    bench = Bench({"cloud": [(Delay(1.0), error), reply("well")], "backup": BACKUP})
    answer = await bench.generate("cloud", "backup")
    assert [a.reason for a in answer.attempts] == [error.reason, None]
    assert answer.text == "well"


@virtual_time
async def test_closing_is_measured_by_what_the_policy_grants() -> None:
    """Half of a short attempt_s is long for a policy that grants no more."""
    bench = Bench(
        {"cloud": [(Delay(1.0), BackendReset("cloud", "x"))], "backup": BACKUP},
        resilience=Resilience(attempt_s=2.0),
    )
    answer = await bench.generate("cloud", "backup")
    assert [a.reason for a in answer.attempts] == [Reason.UPSTREAM_SILENT, None]


@virtual_time
async def test_status_after_long_silence_is_what_it_says() -> None:
    """A provider that answers late with a status has answered."""
    bench = Bench({"cloud": [(Delay(6.0), BackendFailed("cloud", "500")), reply("well")], "backup": BACKUP})
    assert (await bench.generate("cloud", "backup")).text == "well"


@virtual_time
async def test_thought_is_a_sign_of_life() -> None:
    """A model that thinks for long, and says so, is not given up; first_token_s bounds real silence only."""
    thought: list[Act] = [Delay(5.0), ALIVE]
    thinking = [*thought * 6, Delay(5.0), HALF, STOP]
    bench = Bench({"cloud": [thinking], "backup": BACKUP}, specs={"cloud": PLAIN})
    events = await bench.stream("cloud", "backup", timeout_s=120.0)
    assert reasons_of(events) == [("cloud", None)]
    assert bench.clock.monotonic_s() == pytest.approx(35.0)


@virtual_time
async def test_silence_after_a_sign_of_life_is_a_stall() -> None:
    """After a thought a model may be silent for stall_s, as after a text."""
    bench = Bench({"cloud": [(Delay(8.0), ALIVE, Delay(1e6))], "backup": BACKUP}, specs={"cloud": PLAIN})
    events = await bench.stream("cloud", "backup", timeout_s=120.0)
    assert reasons_of(events) == [("cloud", Reason.UPSTREAM_SILENT), ("backup", None)]
    assert bench.clock.monotonic_s() == pytest.approx(18.0)


@virtual_time
async def test_early_sign_of_life_takes_no_time_away() -> None:
    """A role that comes at once does not shorten the time in which a long prompt may be read."""
    bench = Bench({"edge": [(ALIVE, Delay(25.0), HALF, STOP)], "cloud": BACKUP})
    events = await bench.stream("edge", "cloud", timeout_s=120.0)
    assert reasons_of(events) == [("edge", None)]


@virtual_time
async def test_thinking_ends_at_the_deadline() -> None:
    """Signs of life never take more than the caller has."""
    bench = Bench({"cloud": [[Delay(1.0), ALIVE] * 1000]})
    with pytest.raises(DeadlinePassed):
        await bench.stream("cloud", timeout_s=20.0)
    assert bench.clock.monotonic_s() == pytest.approx(19.95)


AUTO: list[tuple[str, ModelSpec, bool, float]] = [
    ("cloud, another follows", PLAIN, False, 10.0),
    ("cloud, the last one", PLAIN, True, 30.0),
    ("cloud that thinks", THINKER, False, 30.0),
    ("an API at the edge", PLAIN.model_copy(update={"place": "edge"}), False, 30.0),
    ("an engine", EDGE, False, 30.0),
    ("an engine that counts as cloud", EDGE.model_copy(update={"place": "cloud"}), False, 30.0),
]


@pytest.mark.parametrize(("spec", "is_last", "seconds"), [row[1:] for row in AUTO], ids=[r[0] for r in AUTO])
def test_auto(spec: ModelSpec, is_last: bool, seconds: float) -> None:
    """By itself the gateway waits 10 s where a hosted model is silent and another may answer, else 30."""
    assert spec.first_token_within_s("auto", is_last=is_last) == seconds
    assert spec.first_token_within_s(7.0, is_last=is_last) == 7.0, "a value of the policy wins"
    own = spec.model_copy(update={"first_token_s": 3.0})
    assert own.first_token_within_s(7.0, is_last=is_last) == 3.0, "and the model's own wins over that"
    back = spec.model_copy(update={"first_token_s": "auto"})
    assert back.first_token_within_s(7.0, is_last=is_last) == seconds


@pytest.mark.parametrize("route", [("cloud", "backup"), ("cloud",)])
@virtual_time
async def test_auto_is_what_dispatch_waits(route: tuple[str, ...]) -> None:
    """A silent hosted model is given up after 10 s for the next one, and after 30 s for a canned reply."""
    bench = Bench({"cloud": [Delay(1e6)], "backup": BACKUP}, specs={"cloud": PLAIN})
    await bench.stream(*route, timeout_s=200.0)
    assert bench.clock.monotonic_s() == pytest.approx(10.0 if len(route) > 1 else 30.0)


THINKS = (
    "o1 o3-mini o4-mini gpt-5-mini gpt-5.1 openai/gpt-oss-120b deepseek-reasoner deepseek-r1 "
    "deepseek/deepseek-r1-0528 "
    "qwq-32b Qwen3-235B-A22B-Thinking-2507 magistral-medium grok-4 grok-3-mini gemini-2.5-pro "
    "deepseek-v4-pro deepseek/deepseek-flash"
)
DOES_NOT = (
    "gpt-4o gpt-4.1-mini model-non-reasoning "
    "gpt-3.5-turbo mistral-large llama-3.3-70b deepseek-chat gemini-2.0-flash "
    "qwen2.5-72b claude-haiku gemma-3 phi-4 command-r1x foo1 turbo3 pro-o30 grok-2"
)


@pytest.mark.parametrize(
    ("name", "thinks"), [(n, True) for n in THINKS.split()] + [(n, False) for n in DOES_NOT.split()]
)
def test_models_that_think_are_known_by_name(name: str, thinks: bool) -> None:
    """Families of reasoning models are told apart from those whose names look alike."""
    assert CLOUD.model_copy(update={"model": name}).reasons is thinks


@virtual_time
async def test_a_whole_answer_of_an_engine_may_take_the_callers_time() -> None:
    """An engine at work is not silent: it takes longer than `attempt_s` and `first_token_s`, and answers."""
    reads: list[Act] = [act for _ in range(20) for act in (Delay(2.0), ALIVE)]
    writes: list[Act] = [act for _ in range(40) for act in (Delay(1.0), HALF)]
    bench = Bench({"edge": [(*reads, *writes, STOP)]})
    answer = await bench.generate("edge", timeout_s=90.0)
    assert (answer.model, answer.text, len(answer.attempts)) == ("edge", "half " * 40, 1)


@pytest.mark.parametrize("signs", [0, 3])
@virtual_time
async def test_a_whole_answer_of_an_engine_that_hangs_is_given_up(signs: int) -> None:
    """Without a sign of life it has 30 s, and 10 s after the last one."""
    steps: list[Act] = [act for _ in range(signs) for act in (Delay(9.0), ALIVE)]
    bench = Bench({"edge": [(*steps, Delay(1e6))]})
    answer = await bench.generate("edge", timeout_s=90.0)
    assert answer.degraded is not None
    assert answer.degraded.reason is Reason.UPSTREAM_SILENT
    assert bench.clock.monotonic_s() == pytest.approx(30.0 if not signs else 37.0, abs=0.1)


@pytest.mark.parametrize("is_begun", [False, True])
@virtual_time
async def test_a_whole_answer_of_an_engine_leaves_time_for_the_next(is_begun: bool) -> None:
    """However busy it is, a model that another follows has half of what is left, and is not blamed."""
    begun = (HALF,) if is_begun else ()
    works: list[Act] = [
        *begun,
        *(act for _ in range(100) for act in (Delay(2.0), HALF if is_begun else ALIVE)),
    ]
    bench = Bench({"edge": [tuple(works)], "backup": BACKUP})
    answer = await bench.generate("edge", "backup", timeout_s=40.0)
    assert (answer.model, [attempt.model for attempt in answer.attempts]) == ("backup", ["edge", "backup"])
    assert bench.clock.monotonic_s() == pytest.approx(20.0, abs=0.1)
    for _ in range(5):
        await bench.generate("edge", "backup", timeout_s=40.0)
        if not is_begun:
            await bench.stream("edge", "backup", timeout_s=40.0)
    assert bench.called("edge") == (6 if is_begun else 11), "its breaker opened, though it was at work"
