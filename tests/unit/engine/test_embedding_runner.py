"""The loop of an embedding engine, with a model that needs no file."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.clock import Deadline
from gateway.domain.vectors import scaled
from gateway.engine.embedding.runner import EmbeddingOutput, EmbeddingRequest, EmbeddingRunner
from gateway.errors import ContextTooLong, DeadlinePassed, EngineDown, EngineQueueFull
from tests.support.fakes import FakeClock


class Model:
    """Gives each input the vector (its first token, its length); a token takes a second."""

    context_tokens, slots, batch_tokens = 8, 3, 10

    def __init__(self, clock: FakeClock) -> None:
        """Begin with no batch."""
        self.batches: list[list[tuple[int, ...]]] = []
        self._clock = clock

    def embed(self, inputs: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Note the batch."""
        self.batches.append([tuple(each) for each in inputs])
        self._clock.advance(float(sum(map(len, inputs))))
        return [np.array([each[0], len(each)], dtype=np.float32) for each in inputs]


@pytest.fixture
def clock() -> FakeClock:
    """Time that a test moves."""
    return FakeClock()


@pytest.fixture
def model(clock: FakeClock) -> Model:
    """The model of the runner."""
    return Model(clock)


@pytest.fixture
def runner(model: Model, clock: FakeClock) -> EmbeddingRunner:
    """A runner whose queue holds one request beyond the slots of the model."""
    return EmbeddingRunner(model, name="edge", clock=clock, queue_limit=1)


def request(*inputs: tuple[int, ...], deadline: Deadline | None = None) -> EmbeddingRequest:
    """Return a request for the vectors of token sequences."""
    return EmbeddingRequest(inputs=inputs, deadline=deadline or Deadline.never())


def test_requests_take_turns_so_that_a_short_one_does_not_wait_for_a_long_one(
    runner: EmbeddingRunner, model: Model
) -> None:
    """Each puts one text into a batch before any puts in another."""
    long: list[EmbeddingOutput] = []
    short: list[EmbeddingOutput] = []
    runner.submit(request(*(((1, 1),) * 6)), long.append)
    runner.submit(request((2,)), short.append)
    runner.step()
    assert model.batches == [[(1, 1), (2,), (1, 1)]]
    assert len(short) == 1
    while not runner.is_idle:
        runner.step()
    assert sum(len(each.vectors) for each in long) == 6


def test_a_batch_holds_no_more_tokens_than_the_model_takes(runner: EmbeddingRunner, model: Model) -> None:
    """A text that does not fit is the first of the next batch."""
    runner.submit(request((1,) * 6, (2,) * 6, (3,) * 2), lambda output: None)
    while not runner.is_idle:
        runner.step()
    assert model.batches == [[(1,) * 6], [(2,) * 6, (3,) * 2]]


def test_a_text_beyond_the_context_is_refused_with_its_tokens(runner: EmbeddingRunner, model: Model) -> None:
    """Nothing is cut off."""
    with pytest.raises(ContextTooLong, match="text 2 of 2 has 9 tokens, and the model takes 8"):
        runner.submit(request((1,), (2,) * 9), lambda output: None)
    assert runner.is_idle


def test_a_request_that_was_cancelled_is_in_no_further_batch(runner: EmbeddingRunner, model: Model) -> None:
    """Its caller gets nothing more."""
    outputs: list[EmbeddingOutput] = []
    cancel = runner.submit(request(*(((1,),) * 9)), outputs.append)
    runner.step()
    cancel()
    assert runner.is_idle
    assert len(model.batches) == len(outputs) == 1
    assert runner.metrics.requests == {"CANCELLED": 1}


def test_a_deadline_that_passes_between_batches_ends_the_request(
    runner: EmbeddingRunner, model: Model, clock: FakeClock
) -> None:
    """The rest of its texts is not read."""
    outputs: list[EmbeddingOutput] = []
    runner.submit(request(*(((1,) * 5,) * 4), deadline=Deadline.after(5.0, clock)), outputs.append)
    runner.step()
    runner.step()
    assert isinstance(outputs[-1].failure, DeadlinePassed)
    assert len(model.batches) == 1
    assert runner.is_idle


def test_one_request_too_many_is_refused_with_a_delay(runner: EmbeddingRunner) -> None:
    """Slots and queue together bound the requests."""
    runner.submit(request((1,)), lambda output: None)
    runner.step()  # A token takes a second, as it now knows.
    for _ in range(4):
        runner.submit(request((1, 1)), lambda output: None)
    with pytest.raises(EngineQueueFull, match="the queue is full") as caught:
        runner.submit(request((1,)), lambda output: None)
    assert caught.value.retry_after_s == pytest.approx(8.0)
    assert (runner.load.slots_busy, runner.load.queued) == (3, 1)


def test_a_request_that_would_be_late_behind_others_is_refused(
    runner: EmbeddingRunner, clock: FakeClock
) -> None:
    """Another model may still answer it in time."""
    late = Deadline.after(4.0, clock)
    runner.submit(request((1,)), lambda output: None)
    runner.step()
    runner.submit(request((1,) * 4), lambda output: None)
    with pytest.raises(EngineQueueFull, match=r"expected to take 5\.0 s, and have 3\.0 s"):
        runner.submit(request((1,), deadline=late), lambda output: None)


def test_a_closed_runner_takes_nothing(runner: EmbeddingRunner) -> None:
    """Its process ends."""
    runner.close()
    runner.run()
    with pytest.raises(EngineDown):
        runner.submit(request((1,)), lambda output: None)


def test_vectors_have_length_1_whatever_is_kept_of_them() -> None:
    """As those of OpenAI; zeros stay zeros."""
    vector = np.array([3.0, 4.0, 12.0], dtype=np.float32)
    np.testing.assert_allclose(np.frombuffer(scaled(vector, None), "<f4"), vector / 13.0, rtol=1e-6)
    np.testing.assert_allclose(np.frombuffer(scaled(vector, 2), "<f4"), [0.6, 0.8], rtol=1e-6)
    assert scaled(np.zeros(2, dtype=np.float32), None) == bytes(8)
