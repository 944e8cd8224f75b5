"""Reasoning in the steps of the scheduler: what holds for an answer begins after it."""

from dataclasses import replace

import pytest

from gateway.domain.answer import FinishReason
from gateway.engine.thinking.tags import ThinkingTags
from gateway.engine.thinking.thinking_reader import Thinking
from tests.support.scripted_model import GREEDY, Bench, ScriptedModel
from tests.support.thinking_doubles import PLAIN, ByteVocabulary

TAGS = ThinkingTags(PLAIN, ByteVocabulary())
OPENED = tuple(b"<think>\n")
"""A prompt that begins the reasoning."""


def bench(*said: bytes) -> Bench:
    """Return a scheduler of a model that says this; a zero byte ends the turn."""
    model = ScriptedModel(context_tokens=400, kv_cells=800, batch_tokens=400, scripts=list(said))
    return Bench(model)


def reasoning(tried: Bench, ticket: int) -> str:
    """Return what a request was told of the reasoning."""
    return "".join(p.reasoning for e in tried.given if e.ticket == ticket for p in e.pieces)


def test_reasoning_is_told_as_reasoning() -> None:
    """Tokens are counted, and tags told to nobody."""
    tried = bench(b"Hm.\n</think>\n\nYes\0")
    ticket = tried.submit(OPENED, max_tokens=100, thinking=Thinking(tags=TAGS))
    tried.finish()

    last = tried.last(ticket)
    assert (reasoning(tried, ticket), tried.text(ticket)) == ("Hm.", "Yes")
    assert last.finish_reason is FinishReason.STOP
    assert last.usage is not None
    assert (last.usage.reasoning_tokens, last.usage.completion_tokens) == (12, 18)


def test_stop_strings_hold_after_the_reasoning() -> None:
    """One inside the reasoning, or inside its tag, ends nothing."""
    tried = bench(b"a STOP b think </think>c STOP d\0")
    ticket = tried.submit(OPENED, max_tokens=100, stop=("STOP", "think"), thinking=Thinking(tags=TAGS))
    tried.finish()

    assert (reasoning(tried, ticket), tried.text(ticket)) == ("a STOP b think", "c ")
    assert tried.last(ticket).stop_sequence == "STOP"


def test_limit_inside_the_reasoning() -> None:
    """The answer is empty, and its end is that of the limit."""
    tried = bench(b"on and on and on")
    ticket = tried.submit(OPENED, max_tokens=9, thinking=Thinking(tags=TAGS))
    tried.finish()

    assert (reasoning(tried, ticket), tried.text(ticket)) == ("on and on", "")
    assert tried.last(ticket).finish_reason is FinishReason.LENGTH


def test_closing_tokens_are_decoded_in_one_step() -> None:
    """The budget ends the reasoning; what it forces needs no logits, so no steps of its own."""
    tried = bench(b"abcdefgh" + b"ok\0")
    ticket = tried.submit(OPENED, max_tokens=300, thinking=Thinking(tags=TAGS, budget_tokens=8))
    tried.finish()

    assert reasoning(tried, ticket) == "abcdefgh\n\nThat is enough thinking; now I answer."
    assert tried.text(ticket) == "ok"
    assert tried.model.steps < 8 + len(TAGS.to_text.closing)
    assert tried.is_clean()


@pytest.mark.parametrize("budget", [0, 1])
def test_smallest_budgets(budget: int) -> None:
    """A prompt that opened the block is left with one token of reasoning at most."""
    tried = bench(b"x" + b"ok\0")
    ticket = tried.submit(OPENED, max_tokens=300, thinking=Thinking(tags=TAGS, budget_tokens=budget))
    tried.finish()

    assert reasoning(tried, ticket).startswith("x")
    assert tried.text(ticket) == "ok"


def test_constraint_holds_after_the_reasoning() -> None:
    """It is armed at the first token of the answer, and at once where there is no reasoning."""
    tried = bench(b"a</think>{}\0", b"{}\0")
    thinking = Thinking(tags=TAGS, is_constrained=True)
    armed: list[tuple[int, bool]] = []
    tried.model.during_sample = lambda sampling: armed.extend(
        (len(tried.given), sampler.is_armed) for sampler in tried.model.samplers[-1:]
    )
    ticket = tried.submit(OPENED, max_tokens=100, thinking=thinking)
    tried.finish()
    assert tried.text(ticket) == "{}"
    assert [is_armed for _, is_armed in armed] == [False] * len("a</think>") + [True] * len("{}\0")

    plain = tried.submit(max_tokens=100, sampling=replace(GREEDY, seed=1))
    tried.step()
    assert tried.model.samplers[-1].is_armed
    tried.finish()
    assert tried.text(plain) == "{}"


@pytest.mark.parametrize(("limit", "told"), [(None, "Yes"), (2, "Ye")])
def test_log_probabilities_are_of_the_answer(limit: int | None, told: str) -> None:
    """Neither reasoning, nor tags, nor the new lines after them have any."""
    tried = bench(b"a</think>\n\nYes")
    sampling = replace(GREEDY, logprobs=0, logprob_tokens=limit)
    ticket = tried.submit(OPENED, max_tokens=14, sampling=sampling, thinking=Thinking(tags=TAGS))
    tried.finish()

    reported = [each.token for e in tried.given if e.ticket == ticket for each in e.logprobs]
    assert bytes(reported).decode() == told


def test_log_probabilities_of_white_space_that_may_precede_a_tag() -> None:
    """They are told once it is the answer's."""
    tried = bench(b"\n<t>")
    sampling = replace(GREEDY, logprobs=0)
    ticket = tried.submit(max_tokens=4, sampling=sampling, thinking=Thinking(tags=TAGS))
    tried.finish()

    reported = [each.token for e in tried.given if e.ticket == ticket for each in e.logprobs]
    assert bytes(reported) == b"\n<t>"
    assert tried.text(ticket) == "\n<t>"
