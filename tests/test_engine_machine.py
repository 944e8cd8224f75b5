"""Any order of requests, cancels, steps and time: nothing is lost, nothing is said twice or wrongly."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway import errors
from gateway.clock import Deadline
from tests.scripted_model import Bench, ScriptedModel, answer_to


class Life(RuleBasedStateMachine):
    """A scheduler of three slots and few cells; the model checks every position and every cell itself."""

    def __init__(self) -> None:
        super().__init__()
        model = ScriptedModel(slots=3, context_tokens=48, kv_cells=96, batch_tokens=12)
        model.during_decode = self.during_decode
        self.bench = Bench(model, queue_limit=4, kept_bytes=100)
        self.open: dict[int, bytes] = {}
        self.cancelled: set[int] = set()
        self.cancel_in_step: int | None = None

    def during_decode(self) -> None:
        if self.cancel_in_step is not None:
            self.cancel(self.cancel_in_step)

    def cancel(self, ticket: int) -> None:
        self.cancelled.add(ticket)
        self.open.pop(ticket, None)
        self.bench.scheduler.cancel(ticket)

    @rule(
        prompt=st.lists(st.integers(1, 3), min_size=1, max_size=50),
        max_tokens=st.integers(1, 20),
        tenant=st.sampled_from("ab"),
        timeout_s=st.none() | st.floats(0.5, 20.0),
    )
    def submit(self, prompt: list[int], max_tokens: int, tenant: str, timeout_s: float | None) -> None:
        deadline = None if timeout_s is None else Deadline.after(timeout_s, self.bench.clock)
        try:
            ticket = self.bench.submit(prompt, max_tokens=max_tokens, tenant=tenant, deadline=deadline)
        except errors.ContextTooLong:
            assert len(prompt) >= 48
        except errors.EngineQueueFull:
            assert timeout_s is not None or len(self.open) + len(self.cancelled) >= 4
        else:
            self.open[ticket] = answer_to(prompt, min(max_tokens, 48 - len(prompt)))

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

    @rule()
    def step(self) -> None:
        before = len(self.bench.given)
        steps = self.bench.model.steps
        self.bench.step()
        if self.bench.model.steps > steps:
            self.bench.clock.advance(0.1)
        for emission in self.bench.given[before:]:
            assert emission.ticket not in self.cancelled or emission.ticket == self.cancel_in_step
            if emission.is_last and emission.ticket in self.open:
                text = self.open.pop(emission.ticket)
                assert emission.failure or self.bench.text(emission.ticket).encode() == text

    @rule(seconds=st.floats(0.1, 10.0))
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
        for emission in self.bench.given:
            if emission.is_last:
                self.open.pop(emission.ticket, None)
        assert not self.open
        assert self.bench.is_clean()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
