"""The number of decoding threads that steps find out."""

import random

import pytest

from gateway.engine.threads import MAX_ROWS, MAX_WAIT_S, PAIRS, ThreadTuner


def _served(tuner: ThreadTuner, step_s: dict[int, float], steps: int, rows: int = 1) -> list[int]:
    """Run steps that take so long by their threads; return the threads of each."""
    taken = []
    for _ in range(steps):
        threads = tuner.threads_for(rows)
        tuner.record(rows, threads, step_s[threads])
        taken.append(threads)
    return taken


@pytest.mark.parametrize(
    ("step_s", "chosen"),
    [
        ({2: 0.008, 1: 0.012}, 2),
        ({2: 0.012, 1: 0.012}, 2),
        ({2: 0.013, 1: 0.012}, 2),
        ({2: 0.034, 1: 0.012}, 1),
        ({2: 4.0, 1: 2.0}, 1),
    ],
    ids=["all are faster", "no difference", "hardly slower", "others want the cores", "a large model"],
)
def test_all_cores_unless_they_are_slower(step_s: dict[int, float], chosen: int) -> None:
    """The first comparison decides, within the first steps of the first answer."""
    tuner = ThreadTuner((2, 1))

    taken = _served(tuner, step_s, 2 * PAIRS)

    assert taken == [2, 1] * PAIRS
    assert tuner.threads == tuner.threads_for(1) == chosen


def test_noise_changes_nothing() -> None:
    """Two steps in ten that take ten times as long leave the choice as it is, over many comparisons."""
    dice, tuner = random.Random(7), ThreadTuner((2, 1))
    chosen = []
    for _ in range(5000):
        threads = tuner.threads_for(1)
        taken_s = {2: 0.008, 1: 0.012}[threads] * (10 if dice.random() < 0.2 else dice.uniform(0.95, 1.05))
        tuner.record(1, threads, taken_s)
        chosen.append(tuner.threads)

    assert chosen.count(2) > 0.95 * len(chosen)


def test_it_notices_that_others_come_and_go() -> None:
    """A comparison under way may be lost; the next one comes within `MAX_WAIT_S` of decoding."""
    quiet, busy = {2: 0.008, 1: 0.012}, {2: 0.034, 1: 0.012}
    tuner = ThreadTuner((2, 1))
    _served(tuner, quiet, 10_000)
    assert tuner.threads == 2

    _served(tuner, busy, int(MAX_WAIT_S / busy[2]) + 4 * PAIRS + 1)
    assert tuner.threads == 1

    _served(tuner, quiet, int(MAX_WAIT_S / quiet[1]) + 4 * PAIRS + 1)
    assert tuner.threads == 2


def test_comparing_costs_little() -> None:
    """Of the time of a long answer less than a hundredth is lost on a quiet machine."""
    step_s, tuner = {2: 0.008, 1: 0.012}, ThreadTuner((2, 1))

    taken = _served(tuner, step_s, 10_000)

    assert sum(step_s[each] for each in taken) < 1.01 * len(taken) * step_s[2]


def test_only_like_steps_are_compared() -> None:
    """Steps differ in rows from one to the next, as those with guesses do: each is paired with its like."""
    dice, tuner, taken = random.Random(3), ThreadTuner((2, 1)), list[int]()
    for _ in range(2000):
        rows = dice.randint(1, 8)
        threads = tuner.threads_for(rows)
        tuner.record(rows, threads, rows * {2: 0.008, 1: 0.009}[threads])
        taken.append(threads)
    assert tuner.threads == 2
    assert taken.count(1) < 0.05 * len(taken)


def test_a_step_that_reads_a_prompt_is_no_sample() -> None:
    """No two of them are alike."""
    tuner = ThreadTuner((2, 1))
    assert _served(tuner, {2: 9.0, 1: 0.1}, 4 * PAIRS, rows=MAX_ROWS + 1) == [2] * 4 * PAIRS


def test_one_choice_is_no_choice() -> None:
    """A single core compares nothing."""
    assert _served(ThreadTuner((1,)), {1: 0.01}, 50) == [1] * 50
