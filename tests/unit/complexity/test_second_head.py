"""The second head of a scorer: which requests it scores, and what its file holds."""

import json

import pytest

from gateway.complexity.complexity import complexity_of, features_of, shipped_scorer
from gateway.complexity.conversation import ConversationFeatures, conversation_features, goes_on
from gateway.complexity.scorer_file import ScorerRefused, parse_scorer, write_scorer
from gateway.domain.conversation import Message, Role
from gateway.domain.signals import ConversationSignals
from gateway.policy.complexity import ConversationHead

WEIGHTS = (1.0, 0.5, *(0.0,) * (len(ConversationFeatures._fields) - 1))
"""The gain, and half of the logarithm of the length."""
HEAD = ConversationHead(weights=WEIGHTS, intercept=-3.0, slope=1.0)
TEXT = write_scorer(
    weights=shipped_scorer().weights,
    intercept=0.0,
    slope=1.0,
    is_calibrated=True,
    notes={},
    conversation=HEAD,
)
FEATURES = features_of([Message(role=Role.USER, content="And tomorrow?")])


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        (ConversationSignals(turn=1, conversation_tokens=9000), False),
        (ConversationSignals(turn=2), True),
        (ConversationSignals(turn=1, tool_calls=1, has_tool_results=True), True),
    ],
)
def test_a_conversation_goes_on_after_its_first_text(signals: ConversationSignals, expected: bool) -> None:
    """The second text of the user, or the first call of a tool, is the second head's."""
    assert goes_on(signals) is expected
    scorer = parse_scorer(TEXT)
    first = complexity_of(FEATURES, scorer)
    assert (complexity_of(FEATURES, scorer, signals) != first) is expected


def test_the_score_follows_the_signals() -> None:
    """The same last text is scored higher the longer the conversation is, where the weight says so."""
    scorer = parse_scorer(TEXT)
    scores = [
        complexity_of(FEATURES, scorer, ConversationSignals(turn=5, conversation_tokens=tokens))
        for tokens in (10, 1000, 100_000)
    ]
    assert scores == sorted(set(scores))


def test_without_a_second_head_all_turns_are_scored_alike() -> None:
    """The packaged scorer has none, so that its scores stay as they were."""
    assert shipped_scorer().conversation is None
    long = ConversationSignals(turn=9, conversation_tokens=90_000, tool_calls=30)
    assert complexity_of(FEATURES, None, long) == complexity_of(FEATURES)


def test_a_second_head_survives_its_file() -> None:
    """What is written is read back; a head for other signals, or of another size, is refused."""
    assert parse_scorer(TEXT).conversation == HEAD
    fields = json.loads(TEXT)
    for change, said in (
        ({"features": ["gain", "length"]}, "conversation: is for the signals of another version"),
        ({"weights": [1.0]}, "conversation.weights: must be 10 numbers"),
        ({"slope": 0}, "conversation.intercept and slope"),
    ):
        with pytest.raises(ScorerRefused, match=said):
            parse_scorer(json.dumps({**fields, "conversation": {**fields["conversation"], **change}}))


def test_every_count_is_a_logarithm() -> None:
    """A conversation of a million tokens weighs little more than one of a hundred thousand."""
    seen = conversation_features(ConversationSignals(conversation_tokens=10**6, last_tool_error=True))
    assert seen.conversation_tokens == pytest.approx(13.8, abs=0.1)
    assert seen.last_tool_error == 1.0
