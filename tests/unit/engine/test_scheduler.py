"""The loop of schedule, decode, sample, emit, with a model that follows a script."""

import threading
from collections.abc import Sequence as Seq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import errors
from gateway.clock import Deadline
from gateway.domain.answer import FinishReason, Usage
from gateway.engine.batch import SHORT, share_prompts
from gateway.engine.interfaces import BatchToken, Constraint, DecodeFailed, NothingToSample, Sampling
from gateway.engine.scheduler import Scheduler
from gateway.engine.sequence import StepOutput
from tests.support.scripted_model import Bench, ScriptedModel


def constrained(grammar: str) -> Sampling:
    """Return greedy sampling under a constraint, which the scripted model does not read."""
    constraint = Constraint(grammar=grammar, request_field="config.json_schema")
    return Sampling(temperature=0.0, top_p=1.0, seed=None, constraint=constraint)


@pytest.mark.parametrize(
    ("script", "max_tokens", "stop", "text", "reason", "completion_tokens"),
    [
        (b"hello\0", 8, (), "hello", FinishReason.STOP, 6),
        (b"\0", 8, (), "", FinishReason.STOP, 1),
        (b"hello world", 5, (), "hello", FinishReason.LENGTH, 5),
        (b"hello", 1, (), "h", FinishReason.LENGTH, 1),
        (b"hello world", 20, (" w",), "hello", FinishReason.STOP_SEQUENCE, 7),
        (b"hello\0", 20, ("ox",), "hello", FinishReason.STOP, 6),
        (b"hello", 5, ("lo",), "hel", FinishReason.STOP_SEQUENCE, 5),
        (b"hello", 4, ("lo",), "hell", FinishReason.LENGTH, 4),
        ("né\0".encode(), 8, (), "né", FinishReason.STOP, 4),
        ("né".encode(), 2, (), "n", FinishReason.LENGTH, 2),
        (b"x" * 99, 1000, (), "x" * 29, FinishReason.LENGTH, 29),
    ],
    ids=[
        "end token", "end at once", "max_tokens", "one token", "stop string", "held back, then ended",
        "stop string with the last token", "held back at max_tokens", "a character in two tokens",
        "max_tokens inside a character", "end of the context",
    ],
)  # fmt: skip
def test_ends(
    script: bytes,
    max_tokens: int,
    stop: tuple[str, ...],
    text: str,
    reason: FinishReason,
    completion_tokens: int,
) -> None:
    """Every way to end gives its own reason, all of the text, and the exact number of tokens."""
    bench = Bench(ScriptedModel(scripts=[script]))

    ticket = bench.submit(prompt=3, max_tokens=max_tokens, stop=stop)
    bench.step()
    bench.finish()

    assert bench.text(ticket) == text
    assert bench.last(ticket).finish_reason is reason
    assert bench.last(ticket).usage == Usage(prompt_tokens=3, completion_tokens=completion_tokens)
    assert bench.is_clean()


def test_a_prompt_that_does_not_fit_is_refused_before_any_decoding() -> None:
    """A prompt that fills the context is refused with both numbers; one token less gets one token."""
    bench = Bench(ScriptedModel(context_tokens=32))

    with pytest.raises(errors.ContextTooLong, match="prompt of 32 tokens does not fit the context of 32"):
        bench.submit(prompt=32)
    ticket = bench.submit(prompt=31)
    assert bench.model.steps == 0
    bench.step()
    bench.finish()

    assert bench.last(ticket).usage == Usage(prompt_tokens=31, completion_tokens=1)
    assert bench.last(ticket).finish_reason is FinishReason.LENGTH


def test_several_sequences_are_decoded_in_one_step() -> None:
    """Two requests that have slots advance in the same step, each by one token."""
    bench = Bench(ScriptedModel(scripts=[b"ab\0", b"cd\0"]))

    first, second = bench.submit(), bench.submit()
    bench.step(2)

    assert len({row.sequence for row in bench.model.rows}) == 2
    assert (bench.text(first), bench.text(second)) == ("ab", "cd")


def test_a_full_queue_refuses_with_a_time() -> None:
    """What the queue cannot hold is refused at once, with a time after which to come back."""
    bench = Bench(ScriptedModel(slots=1), queue_limit=2)
    bench.submit()
    bench.step()
    bench.submit()
    bench.submit()

    with pytest.raises(errors.EngineQueueFull, match=r"requests waiting: 2") as refusal:
        bench.submit()

    assert refusal.value.retry_after_s is not None
    assert refusal.value.retry_after_s > 0


def test_requests_are_admitted_in_the_order_in_which_they_came() -> None:
    """A short request does not overtake a long one that came before it."""
    bench = Bench(ScriptedModel(slots=1, scripts=[b"a\0", b"b\0", b"c\0"]))
    tickets = [bench.submit(prompt=n) for n in (3, 20, 1)]

    bench.step()
    bench.finish()

    assert [e.ticket for e in bench.given if e.is_last] == tickets


def test_admission_waits_for_free_cells() -> None:
    """A free slot is not enough: a request begins when the cache has cells for all it may become."""
    bench = Bench(ScriptedModel(context_tokens=32, kv_cells=40, slots=2, scripts=[b"a" * 7 + b"\0", b"b\0"]))
    first = bench.submit(prompt=20, max_tokens=8)
    second = bench.submit(prompt=range(50, 55), max_tokens=8)

    bench.step(3)
    assert bench.scheduler.load.slots_busy == 1
    assert bench.scheduler.load.queued == 1
    bench.finish()

    assert [e.ticket for e in bench.given if e.is_last] == [first, second]


def test_a_cache_that_is_full_all_the_same_costs_the_youngest() -> None:
    """When a step finds no cells, the latest arrival is refused and the others go on unharmed."""
    bench = Bench(ScriptedModel(scripts=[b"abc\0", b"def\0"], full_at={2}))
    first, second = bench.submit(), bench.submit()

    bench.step()
    bench.finish()

    assert isinstance(bench.last(second).failure, errors.EngineQueueFull)
    assert bench.text(first) == "abc"
    assert bench.is_clean()


@pytest.mark.parametrize(
    "steps", [0, 1, 2, 5], ids=["queued", "in its prompt", "before its text", "in its text"]
)
def test_cancel_frees_the_slot_within_one_step(steps: int) -> None:
    """A request that is cancelled, in whatever phase, holds nothing after the next step and says no more."""
    bench = Bench(ScriptedModel(slots=1, batch_tokens=8))
    ticket = bench.submit(prompt=16, max_tokens=16)
    bench.step(steps)
    before = len(bench.given)

    bench.scheduler.cancel(ticket)
    bench.step()

    assert len(bench.given) == before
    assert bench.is_clean()


@pytest.mark.parametrize("steps", [0, 1, 5], ids=["queued", "in its prompt", "in its text"])
def test_a_deadline_ends_a_request_in_every_phase(steps: int) -> None:
    """A request whose deadline has passed is ended by the next step, and told so."""
    bench = Bench(ScriptedModel(slots=1, batch_tokens=8))
    ticket = bench.submit(prompt=16, max_tokens=16, deadline=Deadline.after(5.0, bench.clock))
    bench.step(steps)

    bench.clock.advance(6.0)
    bench.step()

    assert isinstance(bench.last(ticket).failure, errors.DeadlinePassed)
    assert bench.is_clean()


def test_cancel_of_what_has_ended_is_nothing() -> None:
    """A cancel that comes after the end disturbs nobody."""
    bench = Bench(ScriptedModel(scripts=[b"a\0", b"b\0"]))
    first = bench.submit()
    bench.step()
    bench.finish()

    bench.scheduler.cancel(first)
    second = bench.submit()
    bench.step()
    bench.finish()

    assert bench.text(second) == "b"


def test_a_defect_in_what_one_request_begins_with_ends_that_request_only() -> None:
    """Whatever is raised where samplers are made: its request fails, the owner is told, all others go on."""
    bench = Bench(ScriptedModel(scripts=[b"ab\0", b"cd\0"]))
    good = bench.submit()
    bench.step()
    bad = bench.submit(sampling=constrained("defect"))
    late = bench.submit()

    bench.finish()

    failure = bench.last(bad).failure
    assert isinstance(failure, errors.EngineFault)
    assert "ValueError at scripted_model.py:" in str(failure)
    assert "secret" not in str(failure)
    assert bench.faults == [str(failure)]
    assert (bench.text(good), bench.text(late)) == ("ab", "cd")
    assert bench.scheduler.metrics.requests == {"STOP": 2, "INTERNAL": 1}
    assert bench.is_clean()


@pytest.mark.parametrize(
    ("error", "kind", "reports"),
    [(ValueError("secret"), errors.EngineFault, 1), (NothingToSample(), errors.NotCapable, 0)],
    ids=["a defect", "no token is left"],
)
@pytest.mark.parametrize("tokens", [0, 3], ids=["first token", "later token"])
def test_a_sampler_that_fails_costs_its_own_request_only(
    error: Exception, kind: type[errors.GatewayError], reports: int, tokens: int
) -> None:
    """An answer that cannot go on is ended in any phase; those of the same step lose nothing."""
    bench = Bench(ScriptedModel(scripts=[b"abcdef\0", b"ghijkl\0"]))
    bad, good = bench.submit(), bench.submit()
    bench.model.during_decode = lambda: None
    while len(bench.text(bad)) < tokens:
        bench.step()
    if not tokens:
        bench.model.during_decode = lambda: bench.model.samplers[0].faults.append(error)
        bench.step()
        bench.model.during_decode = lambda: None
    else:
        bench.model.samplers[0].faults.append(error)

    bench.finish()

    assert isinstance(bench.last(bad).failure, kind)
    assert "secret" not in str(bench.last(bad).failure)
    assert len(bench.faults) == reports
    assert bench.text(bad) == "abcdef"[:tokens]
    assert bench.text(good) == "ghijkl"
    assert bench.is_clean()


def test_a_long_prompt_does_not_stop_those_that_answer() -> None:
    """While a long prompt is read in pieces, a sequence that answers gets a token in every step."""
    bench = Bench(ScriptedModel(context_tokens=64, kv_cells=128, batch_tokens=8, scripts=[b"a" * 50, b"b\0"]))
    answering = bench.submit(prompt=1, max_tokens=50)
    bench.step()
    bench.submit(prompt=40)

    bench.step(5)

    assert bench.text(answering) == "a" * 6


@given(
    pending=st.lists(st.integers(1, 600), max_size=16), budget=st.integers(1, 512), most=st.integers(1, 512)
)
def test_share_prompts(pending: list[int], budget: int, most: int) -> None:
    """A step is never overfull or idle; long prompts keep to their budget, half of it for the oldest."""
    shares = share_prompts(pending, budget=budget, most=most)

    assert sum(shares) <= most
    assert all(0 <= share <= wanted for share, wanted in zip(shares, pending, strict=True))
    cut = [i for i, share in enumerate(shares) if share < pending[i]]
    short = sum(share for share, wanted in zip(shares, pending, strict=True) if share == wanted <= SHORT)
    assert sum(shares) - short <= budget
    assert not cut or sum(shares) >= min(budget, most)
    # A short prompt that found no room in the step is one of the long ones, and may be the oldest.
    if long := [i for i, wanted in enumerate(pending) if wanted > SHORT or shares[i] < wanted]:
        assert cut == [] or shares[long[0]] >= min(pending[long[0]], budget // 2, (most - short) // 2)


def test_run_sleeps_until_there_is_work_and_ends_when_closed() -> None:
    """The thread of a scheduler answers what is submitted meanwhile, and ends on close."""
    done = threading.Event()
    given: list[StepOutput] = []

    def deliver(outputs: list[StepOutput]) -> None:
        given.extend(outputs)
        if given[-1].is_last:
            done.set()

    bench = Bench(ScriptedModel(scripts=[b"hello\0"]))
    scheduler = Scheduler(bench.model, name="edge", clock=bench.clock, deliver=deliver)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    bench.scheduler = scheduler
    bench.submit()
    finished = done.wait(5.0)
    scheduler.close()
    thread.join(5.0)

    assert finished
    assert not thread.is_alive()
    assert "".join(e.text for e in given) == "hello"
    with pytest.raises(errors.EngineDown):
        bench.submit()


def test_a_model_that_fails_ends_the_loop() -> None:
    """DecodeFailed passes through: the process has to end, since the context is unusable."""

    class Failing(ScriptedModel):
        def decode(self, tokens: Seq[BatchToken]) -> None:
            raise DecodeFailed("llama_decode returned -3")

    bench = Bench(Failing())
    bench.submit()

    with pytest.raises(DecodeFailed, match="-3"):
        bench.scheduler.run()


@pytest.mark.parametrize(("token_s", "is_ended"), [(0.04, False), (0.09, False), (0.3, True), (20.0, True)])
def test_a_grammar_that_holds_up_everybody_is_ended(token_s: float, is_ended: bool) -> None:
    """Whoever takes more for its tokens than a step takes for all is told so; the others go on."""
    bench = Bench(ScriptedModel(context_tokens=64, kv_cells=128))
    bench.model.during_decode = lambda: bench.clock.advance(0.1)
    bench.model.during_sample = lambda sampling: bench.clock.advance(token_s if sampling.constraint else 0.0)
    slow = bench.submit(max_tokens=30, sampling=constrained("g"))
    other = bench.submit(max_tokens=30)
    bench.finish()

    failure = bench.last(slow).failure
    assert (failure is not None) == is_ended
    if is_ended:
        assert isinstance(failure, errors.NotCapable)
        assert "config.json_schema: takes too long" in str(failure)
        assert len(bench.text(slow)) < 8
    assert bench.last(other).finish_reason is FinishReason.LENGTH
    assert bench.is_clean()


def test_one_token_that_was_held_up_ends_nothing() -> None:
    """A machine that stands still while a token is picked is not the grammar's fault."""
    bench = Bench(ScriptedModel(context_tokens=64, kv_cells=128))
    waits_s = iter([30.0])
    bench.model.during_sample = lambda sampling: bench.clock.advance(next(waits_s, 0.0))
    ticket = bench.submit(max_tokens=30, sampling=constrained("g"))
    bench.finish()

    assert bench.last(ticket).finish_reason is FinishReason.LENGTH
