"""The second head of a scorer: of a conversation that goes on, its signals say more than its last text.

On published conversations of an agent with tools the length ranks failures, and what the user said last does
not (`python -m benchmarks.agents`).
"""

from math import log1p
from typing import NamedTuple

from gateway.domain.signals import ConversationSignals
from gateway.policy.complexity import ConversationHead


class ConversationFeatures(NamedTuple):
    """What a second head weighs beside the gain that the first one expects; counts as logarithms."""

    conversation_tokens: float
    turn: float
    tool_calls: float
    repeated_calls: float
    tool_errors_recent: float
    last_tool_error: float
    has_tool_results: float
    tests_passed: float
    tools_offered: float


def goes_on(signals: ConversationSignals) -> bool:
    """Return whether a conversation is past its first text: the user spoke again, or tools were called."""
    return signals.turn >= 2 or signals.tool_calls > 0


def conversation_features(signals: ConversationSignals) -> ConversationFeatures:
    """Return the features of a conversation."""
    return ConversationFeatures(
        conversation_tokens=log1p(signals.conversation_tokens),
        turn=log1p(signals.turn),
        tool_calls=log1p(signals.tool_calls),
        repeated_calls=log1p(signals.repeated_calls),
        tool_errors_recent=log1p(signals.tool_errors_recent),
        last_tool_error=float(signals.last_tool_error),
        has_tool_results=float(signals.has_tool_results),
        tests_passed=float(signals.tests_passed),
        tools_offered=log1p(signals.tools_offered),
    )


def head_log_odds(head: ConversationHead, gain: float, signals: ConversationSignals) -> float:
    """Return the log-odds of a head; `gain` is what the first one's weights give."""
    seen = conversation_features(signals)
    weighed = sum(weight * value for weight, value in zip(head.weights, (gain, *seen), strict=True))
    return head.intercept + head.slope * weighed
