"""Tokens guessed by a draft model: they change how many steps an answer takes, and nothing else."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.answer import Usage
from gateway.engine.draft import MOST_DRAFTED, Asked, Draft
from tests.support.scripted_model import Bench, ScriptedModel, answer_to

CERTAIN = -0.1


def _model(*, letters: int = 26, logprob: float = CERTAIN, batch_tokens: int = 64) -> ScriptedModel:
    return ScriptedModel(
        context_tokens=256,
        slots=4,
        kv_cells=1024,
        batch_tokens=batch_tokens,
        letters=letters,
        logprob=logprob,
    )


def _bench(draft: ScriptedModel | None, *, letters: int = 26) -> Bench:
    return Bench(_model(letters=letters), kept_bytes=10_000, draft=draft)


def test_a_draft_that_knows_the_answer_saves_steps() -> None:
    """A model as its own draft is right each time; the answer and its usage are the same."""
    plain, drafted = _bench(None), _bench(draft := _model())
    for bench in (plain, drafted):
        bench.submit(3, max_tokens=40)
        bench.finish()

    assert drafted.text(1) == plain.text(1)
    assert drafted.last(1).usage == plain.last(1).usage == Usage(prompt_tokens=3, completion_tokens=40)
    metrics = drafted.scheduler.metrics
    assert metrics.right_tokens == metrics.guessed_tokens > 30
    assert drafted.model.steps < plain.model.steps / 4
    assert drafted.is_clean()
    assert not draft.cells


def test_a_draft_that_is_not_sure_guesses_nothing() -> None:
    """A guess that is likely to be wrong costs a row of the target's step."""
    bench = _bench(_model(logprob=-1.0))
    bench.submit(3, max_tokens=40)
    bench.finish()
    assert bench.scheduler.metrics.guessed_tokens == 0


@given(
    prompts=st.lists(st.lists(st.integers(97, 98), min_size=1, max_size=30), min_size=1, max_size=4),
    letters=st.integers(1, 3),
    draft_letters=st.integers(1, 3),
    draft_batch=st.integers(4, 20),
    max_tokens=st.integers(1, 60),
)
def test_the_answer_is_the_same_whatever_the_draft_says(
    prompts: Sequence[Sequence[int]], letters: int, draft_letters: int, draft_batch: int, max_tokens: int
) -> None:
    """Each token depends on all before it, so a token in a wrong place would change the rest."""
    plain = _bench(None, letters=letters)
    drafted = _bench(draft := _model(letters=draft_letters, batch_tokens=draft_batch), letters=letters)
    for bench in (plain, drafted):
        tickets = [bench.submit(prompt, max_tokens=max_tokens) for prompt in prompts]
        bench.finish()
        assert bench.is_clean()
    assert not draft.cells
    for ticket in tickets:
        assert drafted.text(ticket) == plain.text(ticket)
        assert drafted.last(ticket).usage == plain.last(ticket).usage


def _asked(tokens: Sequence[int], *, ticket: int = 1, most: int = 4) -> Asked:
    return Asked(ticket=ticket, sequence=0, tokens=tokens, most=most)


def test_a_long_prompt_is_read_in_parts() -> None:
    """A step of the draft is bounded; until it has read all, it guesses nothing."""
    draft = Draft(model := _model(batch_tokens=8), vocabulary_size=257)
    prompt = [97] * 20
    assert [draft.guess([_asked(prompt)]) for _ in range(2)] == [{}, {}]
    assert draft.guess([_asked(prompt)]) == {1: list(answer_to(prompt, 4))}
    assert model.decoded_tokens == 20 + 3


def test_only_what_is_new_is_read() -> None:
    """What was right of a guess stays in its cells; what was wrong is freed."""
    draft = Draft(model := _model(), vocabulary_size=257)
    prompt = [97] * 20
    said = [*prompt, *draft.guess([_asked(prompt)])[1][:2], 33]
    before = model.decoded_tokens
    assert draft.guess([_asked(said)])[1] == list(answer_to(said, 4))
    assert model.decoded_tokens - before == 1 + 3


def test_another_request_begins_anew() -> None:
    """Nobody learns from a draft's speed what another tenant said."""
    draft = Draft(model := _model(), vocabulary_size=257)
    draft.guess([_asked([97] * 20)])
    before = model.decoded_tokens
    draft.guess([_asked([97] * 20, ticket=2)])
    assert model.decoded_tokens - before == 20 + 3


@pytest.mark.parametrize("most", [1, 5, 100])
def test_a_guess_is_bounded(most: int) -> None:
    """By what the target may take in its step, and by what a draft can gain."""
    draft = Draft(_model(), vocabulary_size=257)
    assert len(draft.guess([_asked([97], most=most)])[1]) == min(most, MOST_DRAFTED)


def test_a_token_that_the_target_does_not_know_is_not_guessed() -> None:
    """Of two models of a family one may have tokens that the other has not."""
    draft = Draft(_model(), vocabulary_size=97)
    assert draft.guess([_asked([97] * 3)]) == {}


def test_a_full_cache_ends_the_guess_only() -> None:
    """What the draft holds is freed; it reads it again for the next guess."""
    model = _model()
    model.full_at = {2}
    draft = Draft(model, vocabulary_size=257)
    assert draft.guess([_asked([97] * 3)]) == {}
    assert not model.cells
    assert draft.guess([_asked([97] * 3)]) == {1: list(answer_to([97] * 3, 4))}
