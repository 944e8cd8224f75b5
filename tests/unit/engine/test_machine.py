"""Any order of requests, cancels, steps and time: nothing is lost or wrong, and nobody is passed over."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway import errors
from gateway.clock import Deadline
from gateway.engine.interfaces import Sampling
from gateway.engine.prefix_cache import common_length
from gateway.engine.queue import PATIENCE_S
from gateway.engine.sequence import StepOutput
from tests.support.draws import examples
from tests.support.scripted_model import Bench, ScriptedModel, answer_to

SYSTEM = list(range(10, 30))
PROMPTS = st.builds(
    lambda shared, own: SYSTEM[:shared] + own,
    st.integers(0, 20),
    st.lists(st.integers(1, 3), min_size=1, max_size=30),
)
"""Prompts that begin alike, as with one system prompt; the longest do not fit."""


@dataclass(frozen=True)
class Asked:
    """A request that was taken in."""

    tenant: str
    prompt: list[int]
    answer: bytes
    ends_s: float
    due_s: float


class Life(RuleBasedStateMachine):
    """A scheduler of three slots and few cells; the model checks every position and every cell itself."""

    def __init__(self) -> None:
        super().__init__()
        model = ScriptedModel(slots=3, context_tokens=48, kv_cells=96, batch_tokens=12)
        model.during_decode = self.during_decode
        self.bench = Bench(model, queue_limit=4, kept_bytes=100)
        self.asked: dict[int, Asked] = {}
        self.open: set[int] = set()
        """Tickets that have not had their last output, nor were cancelled."""
        self.waiting: set[int] = set()
        """Tickets that have no slot yet."""
        self.cancelled: set[int] = set()
        self.cancel_in_step: int | None = None
        self.submitted = 0

    def during_decode(self) -> None:
        if self.cancel_in_step is not None:
            self.cancel(self.cancel_in_step)

    def cancel(self, ticket: int) -> None:
        self.cancelled.add(ticket)
        self.open.discard(ticket)
        self.waiting.discard(ticket)
        self.bench.scheduler.cancel(ticket)

    @rule(
        prompt=PROMPTS,
        max_tokens=st.integers(1, 20),
        tenant=st.sampled_from("abcd"),
        timeout_s=st.none() | st.floats(0.5, 20.0),
    )
    def submit(self, prompt: list[int], max_tokens: int, tenant: str, timeout_s: float | None) -> None:
        clock = self.bench.clock
        deadline = Deadline.never() if timeout_s is None else Deadline.after(timeout_s, clock)
        # The seed says to the model who it is: tickets count what was taken in, and what was refused.
        sampling = Sampling(temperature=0.0, top_p=1.0, seed=self.submitted + 1)
        try:
            ticket = self.bench.submit(
                prompt, max_tokens=max_tokens, tenant=tenant, deadline=deadline, sampling=sampling
            )
        except errors.ContextTooLong:
            assert len(prompt) >= 48
            return
        except errors.EngineQueueFull:
            assert timeout_s is not None or len(self.open) + len(self.cancelled) >= 4
            self.submitted += 1
            return
        self.submitted += 1
        assert ticket == self.submitted
        self.asked[ticket] = Asked(
            tenant=tenant,
            prompt=prompt,
            answer=answer_to(prompt, min(max_tokens, 48 - len(prompt))),
            ends_s=deadline.at_s,
            due_s=min(deadline.at_s, clock.monotonic_s() + PATIENCE_S),
        )
        self.open.add(ticket)
        self.waiting.add(ticket)

    @rule(data=st.data())
    def cancel_one(self, data: st.DataObject) -> None:
        if self.open:
            self.cancel(data.draw(st.sampled_from(sorted(self.open))))

    @rule(data=st.data())
    def cancel_one_in_the_middle_of_a_step(self, data: st.DataObject) -> None:
        if self.open:
            self.cancel_in_step = data.draw(st.sampled_from(sorted(self.open)))
        self.step()
        self.cancel_in_step = None

    @rule(count=st.integers(1, 30))
    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def step(self) -> None:
        before, steps, begun = len(self.bench.given), self.bench.model.steps, len(self.bench.model.begun)
        now_s = self.bench.clock.monotonic_s()
        self.bench.step()
        if self.bench.model.steps > steps:
            self.bench.clock.advance(0.1)
        given = self.bench.given[before:]
        self.nobody_was_passed_over(self.bench.model.begun[begun:], given, now_s)
        for output in given:
            assert output.ticket not in self.cancelled or output.ticket == self.cancel_in_step
            if output.is_last and output.ticket in self.open:
                self.open.discard(output.ticket)
                self.it_is_right(output)

    def nobody_was_passed_over(self, begun: list[int | None], given: list[StepOutput], now_s: float) -> None:
        """Each that got a slot was due before all that had none, those left out that were not to get one."""
        refused = {output.ticket for output in given if output.failure} - set(begun)
        self.waiting -= refused | {t for t in self.waiting if self.asked[t].ends_s <= now_s}
        for ticket in begun:
            assert ticket is not None
            self.waiting.discard(ticket)
            due = [(self.asked[other].due_s, other) for other in self.waiting]
            assert all((self.asked[ticket].due_s, ticket) < other for other in due)

    def it_is_right(self, output: StepOutput) -> None:
        """The answer is that of the script, and began from nothing but its own tenant's past."""
        mine = self.asked[output.ticket]
        if output.failure:
            return
        assert self.bench.text(output.ticket).encode() == mine.answer
        begun = self.bench.model.begun
        before = [self.asked[t] for t in begun[: begun.index(output.ticket)] if t is not None]
        pasts = [[*other.prompt, *other.answer] for other in before if other.tenant == mine.tenant]
        known = max((common_length(past, mine.prompt[:-1]) for past in pasts), default=0)
        assert output.reused_tokens <= known

    @rule(seconds=st.floats(0.1, 5.0))
    def time_passes(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)

    @invariant()
    def cells_are_counted(self) -> None:
        load = self.bench.scheduler.load
        assert len(self.bench.model.cells) == load.kv_cells_used <= 96
        assert load.kept_bytes <= 100

    def teardown(self) -> None:
        self.bench.finish()
        self.bench.step()
        for output in self.bench.given:
            if output.is_last:
                self.open.discard(output.ticket)
        assert not self.open
        assert self.bench.is_clean()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=examples(100), stateful_step_count=50, deadline=None)
