"""Guessed tokens: they change how many steps an answer takes, and nothing else."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.answer import FinishReason, Usage
from gateway.engine.batch import GUESSED_ROWS, share_guesses
from gateway.engine.prompt_lookup import (
    FIRST_BREAK_TOKENS,
    FIRST_TOKENS,
    MOST_TOKENS,
    SAMPLE_TOKENS,
    Payoff,
    PromptLookup,
)
from tests.support.scripted_model import Bench, ScriptedModel

SONG = b"one two three one two three one two three"


def _bench(*scripts: bytes, guesses: bool = True, letters: int = 26, can_share: bool = True) -> Bench:
    model = ScriptedModel(
        context_tokens=256,
        slots=4,
        kv_cells=1024,
        batch_tokens=64,
        scripts=list(scripts),
        letters=letters,
        can_share=can_share,
    )
    return Bench(model, kept_bytes=10_000, guesses=guesses)


def test_a_text_that_repeats_itself_takes_few_steps() -> None:
    """What was right is decoded with what was sampled, and the answer is the same."""
    plain, guessed = _bench(SONG + b"\0", guesses=False), _bench(SONG + b"\0")
    for bench in (plain, guessed):
        bench.submit(3, max_tokens=100)
        bench.finish()

    assert guessed.text(1) == plain.text(1) == SONG.decode()
    assert guessed.last(1).usage == plain.last(1).usage == Usage(prompt_tokens=3, completion_tokens=42)
    assert guessed.scheduler.load.kept_tokens == plain.scheduler.load.kept_tokens
    assert guessed.model.steps < 0.6 * plain.model.steps
    assert guessed.scheduler.metrics.right_tokens > 20
    assert guessed.is_clean()


def test_what_the_prompt_says_is_guessed() -> None:
    """An edit of a text takes a step for each run that it keeps."""
    text = b"The quick brown fox jumps over the lazy dog."
    bench = _bench(b"The quick red" + text[15:] + b"\0")
    bench.submit(list(text), max_tokens=100)
    bench.finish()

    assert bench.text(1) == "The quick red fox jumps over the lazy dog."
    assert bench.model.steps < 25


@given(
    prompts=st.lists(st.lists(st.integers(97, 98), min_size=1, max_size=30), min_size=1, max_size=4),
    letters=st.integers(1, 3),
    max_tokens=st.integers(1, 60),
)
def test_the_answer_is_the_same_whatever_is_guessed(
    prompts: Sequence[Sequence[int]], letters: int, max_tokens: int
) -> None:
    """Each token depends on all before it, so a token in a wrong place would change the rest."""
    plain, guessed = _bench(guesses=False, letters=letters), _bench(letters=letters)
    for bench in (plain, guessed):
        tickets = [bench.submit(prompt, max_tokens=max_tokens) for prompt in prompts]
        bench.finish()
        assert bench.is_clean()
    for ticket in tickets:
        assert guessed.text(ticket) == plain.text(ticket)
        assert guessed.last(ticket).usage == plain.last(ticket).usage


@pytest.mark.parametrize(
    ("stop", "max_tokens", "text", "reason"),
    [
        (("three one two three",), 100, "one two ", FinishReason.STOP_SEQUENCE),
        ((), 30, SONG[:30].decode(), FinishReason.LENGTH),
        ((), 100, SONG.decode(), FinishReason.STOP),
    ],
    ids=["stop string", "max_tokens", "end"],
)
def test_an_answer_may_end_within_a_guess(
    stop: tuple[str, ...], max_tokens: int, text: str, reason: FinishReason
) -> None:
    """What was guessed behind the end is no part of it."""
    bench = _bench(SONG + b"\0")
    ticket = bench.submit(3, max_tokens=max_tokens, stop=stop)
    bench.finish()

    assert (bench.text(ticket), bench.last(ticket).finish_reason) == (text, reason)
    assert bench.scheduler.metrics.right_tokens > 0
    assert bench.is_clean()


def test_a_model_that_cannot_forget_is_not_guessed_for() -> None:
    """A recurrent model keeps what it decoded, right or wrong."""
    bench = _bench(SONG + b"\0", can_share=False)
    bench.submit(3, max_tokens=100)
    bench.finish()
    assert bench.scheduler.metrics.guessed_tokens == 0


def test_wrong_guesses_stop_the_guessing() -> None:
    """The pause doubles, so that text without repetition costs next to nothing."""
    lookup = PromptLookup([1, 2, 3, 4, 1, 2, 3])
    asked = 0
    for _ in range(200):
        if guess := lookup.guess(MOST_TOKENS):
            asked += 1
            lookup.judge(guessed=len(guess), right=0)
        lookup.take(4)
        for token in (1, 2, 3):
            lookup.take(token)
    assert asked < 30


def test_right_guesses_grow() -> None:
    """Up to the most that a step takes well."""
    lookup = PromptLookup([1, 2, 3] * 3)
    lengths = []
    for _ in range(4):
        guess = lookup.guess(100)
        lengths.append(len(guess))
        lookup.judge(guessed=len(guess), right=len(guess))
        for token in guess:
            lookup.take(token)
    assert lengths == [FIRST_TOKENS, 2 * FIRST_TOKENS, MOST_TOKENS, MOST_TOKENS]


@pytest.mark.parametrize(("guessed_s", "is_worth_it"), [(0.5, True), (1.5, False)])
def test_guessing_stops_where_it_gains_nothing(guessed_s: float, is_worth_it: bool) -> None:
    """It is measured, since rows cost little or much. After a break it is tried again."""
    payoff = Payoff()
    for _ in range(SAMPLE_TOKENS):
        payoff.record(answers=1, tokens=1, taken_s=1.0, is_guessed=False)
        payoff.record(answers=1, tokens=1, taken_s=guessed_s, is_guessed=True)
    assert payoff.is_worth_it is is_worth_it
    payoff.record(answers=1, tokens=FIRST_BREAK_TOKENS, taken_s=1.0, is_guessed=False)
    assert payoff.is_worth_it


def test_a_draft_that_always_guesses_is_compared() -> None:
    """Where every step has guesses, some have none, so that it is known what guessing gains."""
    payoff, plain = Payoff(), 0
    for _ in range(20 * SAMPLE_TOKENS):
        is_guessed = payoff.is_worth_it
        plain += not is_guessed
        payoff.record(answers=1, tokens=1, taken_s=0.5 if is_guessed else 1.0, is_guessed=is_guessed)
    assert SAMPLE_TOKENS <= plain <= 2 * SAMPLE_TOKENS


def test_another_number_of_answers_is_measured_anew() -> None:
    """A step of four answers says nothing about one of one."""
    payoff = Payoff()
    for answers, is_guessed in ((1, False), (4, True)) * SAMPLE_TOKENS:
        payoff.record(answers=answers, tokens=1, taken_s=float(answers), is_guessed=is_guessed)
    assert payoff.is_worth_it


def test_a_guess_goes_round() -> None:
    """A text that repeats itself is guessed to go on so, beyond what was said."""
    assert PromptLookup([1, 2, 3, 1, 2, 3]).guess(4) == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("shares", "most", "each"),
    [
        ([1], 512, GUESSED_ROWS - 1),
        ([1, 1], 512, 8),
        ([1] * 10, 512, 0),
        ([1], 8, 7),
        ([], 512, 0),
        ([30], 512, 0),
    ],
)
def test_many_answers_leave_no_room(shares: list[int], most: int, each: int) -> None:
    """A step of many answers is full without guesses."""
    assert share_guesses(shares, most=most) == each
