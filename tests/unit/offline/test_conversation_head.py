"""What a second head learns from outcomes of conversations, and when it is left out."""

import json
from typing import Any

import numpy as np
import pytest

from gateway.complexity.complexity import complexity_of, features_of, shipped_scorer
from gateway.complexity.conversation import ConversationFeatures
from gateway.domain.conversation import Message, Role
from gateway.domain.signals import ConversationSignals
from gateway.offline.conversation_head import FirstHead, learn_head
from gateway.offline.learning import TooFewOutcomes
from gateway.offline.outcomes import BadOutcome, QualityOutcome, gains_of, outcome_of
from gateway.offline.recorded_outcomes import recorded_outcomes
from gateway.policy.complexity import Scorer

FEATURES = features_of([Message(role=Role.USER, content="Change my booking, please")])
BASE = shipped_scorer()


def conversations(count: int, *, by_length: bool) -> list[QualityOutcome]:
    """Return conversations of six turns: long ones fail, or as the dice say."""
    dice = np.random.default_rng(3)
    found = []
    for _ in range(count):
        pace = int(dice.integers(100, 2000))
        fails = pace > 1000 if by_length else bool(dice.random() < 0.5)
        turns = [
            (FEATURES, ConversationSignals(turn=turn, conversation_tokens=pace * turn))
            for turn in range(1, 7)
        ]
        found.append(
            QualityOutcome(
                features=FEATURES, signals=turns[0][1], later=tuple(turns[1:]), weak=1.0 - fails, strong=None
            )
        )
    return found


def test_what_the_length_shows_is_learned() -> None:
    """Where long conversations fail, the head sees it at the same turn of conversations it never saw."""
    outcomes = conversations(80, by_length=True)
    found = learn_head(outcomes, gains_of(outcomes), FirstHead.of(BASE, len(outcomes)))
    assert found.objections == []
    assert (found.learned.rows, found.turns) == (80, 400)  # The first turn of each is the first head's.
    scorer = Scorer(weights=BASE.weights, intercept=0.0, slope=1.0, sha256="", conversation=found.head)
    short, long = (
        complexity_of(FEATURES, scorer, ConversationSignals(turn=3, conversation_tokens=tokens))
        for tokens in (900, 5400)
    )
    assert short < 0.35 < 0.65 < long


def test_a_head_that_does_not_beat_the_first_one_is_left_out() -> None:
    """Where outcomes are dice, it says why; the turns of a conversation do not make it surer."""
    outcomes = conversations(80, by_length=False)
    found = learn_head(outcomes, gains_of(outcomes), FirstHead.of(BASE, len(outcomes)))
    assert "no better than" in found.objections[0]
    assert found.fields()["is_kept"] is False


def test_too_few_conversations_are_refused() -> None:
    """Nineteen conversations are too few, however many turns they have; so are none."""
    outcomes = conversations(19, by_length=True)
    first = FirstHead.of(BASE, len(outcomes))
    with pytest.raises(TooFewOutcomes, match="19 outcomes; at least 20"):
        learn_head(outcomes, gains_of(outcomes), first)
    lone = [QualityOutcome(features=FEATURES, weak=1.0, strong=None)] * 30
    with pytest.raises(TooFewOutcomes, match="0 outcomes"):
        learn_head(lone, gains_of(lone), FirstHead.of(BASE, 30))


MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Weather in Oslo?"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "down", "is_error": True},
    {"role": "assistant", "content": "I cannot say."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "The service is down."},
]


def test_a_conversation_of_a_file_has_a_moment_for_each_turn_of_the_model() -> None:
    """What the model was asked: at first, with the result of the tool, and when the user spoke again."""
    outcome = outcome_of({"messages": MESSAGES, "weak": 0.0})
    seen = [signals for _, signals in outcome.moments]
    assert [(each.turn, each.tool_calls, each.has_tool_results) for each in seen] == [
        (1, 0, False), (1, 1, True), (2, 1, False),
    ]  # fmt: skip
    assert [each.last_tool_error for each in seen] == [False, True, True]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "must be a list of messages"),
        ([{"role": "wizard", "content": "marmalade"}], r"\[0\].role must be one of system"),
        ([{"role": "user", "content": 7}], r"\[0\].content must be text"),
        ([{"role": "assistant", "tool_calls": [{"id": "marmalade"}]}], r"\[0\].tool_calls: a call is"),
        ([{"role": "assistant", "content": "marmalade"}], "must have one that a model answers"),
    ],
)
def test_a_bad_conversation_is_refused_without_its_words(messages: list[Any], said: str) -> None:
    """The place is named, never what was said."""
    with pytest.raises(BadOutcome, match=said) as caught:
        outcome_of({"messages": messages, "weak": 1.0})
    assert "marmalade" not in str(caught.value)


def test_feedback_on_a_turn_brings_its_signals() -> None:
    """Of a record the features and the signals are used: numbers, no text."""
    signals = ConversationSignals(turn=4, conversation_tokens=900, tool_calls=2)
    request = {
        "kind": "request", "v": 1, "request_id": "r", "tenant": "acme", "at_unix_s": 1.0, "route": "LOCAL",
        "features": list(FEATURES), "facts": {"signals": signals.values()},
    }  # fmt: skip
    feedback = {
        "kind": "feedback",
        "v": 1,
        "request_id": "r",
        "tenant": "acme",
        "at_unix_s": 2.0,
        "score": 0.25,
    }
    lines = [("1", json.loads(json.dumps(request))), ("2", feedback)]
    (joined,) = recorded_outcomes(lambda: lines).joined
    assert (joined.signals, joined.weak) == (signals, 0.25)
    assert len(ConversationFeatures._fields) == 9
