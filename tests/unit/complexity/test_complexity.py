"""The number that says how much a strong model would gain on a prompt."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.complexity.complexity import complexity_of, features_of, score_complexity, shipped_scorer
from gateway.complexity.features import PromptFeatures, prompt_features
from gateway.domain.conversation import Message, Role

HARD = 0.6
"""From here on the default policy calls a prompt hard."""


def user(text: str) -> Message:
    """Return a message of the user."""
    return Message(role=Role.USER, content=text)


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("What is the capital of France?", "a fact"),
        ("Hi", "a greeting"),
        ("Say hello in French", "a small chore"),
        ("thanks!", "no question at all"),
        ("What is 17 * 23?", "one small sum"),
        ("Who wrote Hamlet?", "a fact"),
        ("Give me a recipe for pancakes", "common knowledge"),
        ("Tell me a joke", "anything will do"),
        ("Write a haiku about autumn", "short and free"),
        ("", "nothing"),
    ],
)
def test_an_easy_prompt_scores_low(prompt: str, why: str) -> None:
    """A greeting, a fact or a small chore is clearly easy."""
    assert score_complexity([user(prompt)]) < 0.3, why


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        (
            "Prove that the sum of two continuous functions is continuous, then generalise to uniform limits"
            " and give a counterexample for pointwise limits.",
            "a proof in three steps",
        ),
        (
            "Design a lock-free queue in C++, explain the memory ordering of every atomic and analyse its"
            " worst case",
            "concurrent code with an analysis",
        ),
        (
            "Design a rate limiter for an API in several regions. It must admit at most 1000 requests per"
            " second per tenant, without a single point of failure. Discuss the trade-offs.",
            "a design under constraints",
        ),
        (
            "Debug this: our distributed cache returns stale values after a leader fails over. Analyse the"
            " possible causes, propose a fix and prove that it cannot deadlock.",
            "a diagnosis, a fix and a proof",
        ),
    ],
)
def test_a_hard_prompt_scores_high(prompt: str, why: str) -> None:
    """Proofs, designs and analyses in several steps are clearly hard."""
    assert score_complexity([user(prompt)]) > 0.7 > HARD, why


@pytest.mark.parametrize(
    ("easier", "harder", "why"),
    [
        ("What is a mutex?", "Implement a mutex in C++ and prove that it is fair", "recall against work"),
        ("Name three primes", "Prove that there are infinitely many primes", "a list against a proof"),
        ("Compare tea and coffee", "Compare tea and coffee. The answer must be exactly 40 words, each word"
         " must begin with a different letter than the one before, unless it is a name.", "constraints"),
    ],
)  # fmt: skip
def test_more_work_scores_higher(easier: str, harder: str, why: str) -> None:
    """Of two prompts on one subject the one that asks for more scores higher."""
    assert score_complexity([user(easier)]) < score_complexity([user(harder)]), why


def test_repetition_does_not_make_a_prompt_hard() -> None:
    """A long prompt of one word stays easy: length is not difficulty."""
    assert score_complexity([user("lorem " * 3000)]) < 0.3


def test_the_last_user_message_counts_most() -> None:
    """A hard question behind small talk is hard, and small talk behind a hard question is easy."""
    hard = user("Prove that every continuous function on a compact set is uniformly continuous.")
    easy = user("Hi")
    reply = Message(role=Role.ASSISTANT, content="Hello.")
    assert score_complexity([hard, reply, easy]) < 0.3 < score_complexity([easy, reply, hard])


def test_context_adds_to_the_score() -> None:
    """The same question over a long context scores higher than alone."""
    question = user("Which clause applies?")
    context = Message(role=Role.SYSTEM, content="The tenant shall pay rent on the first day. " * 200)
    assert score_complexity([question]) < score_complexity([context, question])


def test_without_a_message_of_the_user_only_context_counts() -> None:
    """A conversation in which the user says nothing has an empty prompt."""
    system = Message(role=Role.SYSTEM, content="Prove everything. Prove it rigorously.")
    assert prompt_features([system]).reasoning == 0.0
    assert prompt_features([])._replace(variety=0.0) == PromptFeatures(*[0.0] * len(PromptFeatures._fields))


def test_every_feature_has_a_weight() -> None:
    """No feature is counted in vain, and an empty prompt scores low."""
    assert len(shipped_scorer().weights) == len(features_of([]))
    assert all(weight != 0.0 for weight in shipped_scorer().weights)
    assert score_complexity([]) < 0.2


def test_stored_features_give_the_score_of_the_text() -> None:
    """What a line of JSON keeps of a request gives the very same score again."""
    prompt = [user("Compare two ways to sort a list, and prove which one is faster.")]
    kept = json.dumps(features_of(prompt))
    assert complexity_of(json.loads(kept)) == score_complexity(prompt)
    assert len(kept) < 1000


@given(st.lists(st.builds(Message, role=st.sampled_from(Role), content=st.text(max_size=300)), max_size=5))
def test_any_conversation_has_a_score(messages: list[Message]) -> None:
    """The score is in [0, 1] and the same each time, whatever was written."""
    score = score_complexity(messages)
    assert 0.0 <= score <= 1.0
    assert score_complexity(messages) == score


def test_a_very_large_prompt_stays_in_range() -> None:
    """A prompt of a megabyte of hard words neither overflows nor leaves [0, 1]."""
    assert HARD < score_complexity([user("prove that x = y; " * 60_000)]) <= 1.0
