"""Which messages of a conversation stay or go together."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.conversation import Message, Role

KEPT_STEPS = 3
"""The last steps are never touched: the question, and what was said and done before it."""

Step = range
"""Indexes of messages that stay or go together: what somebody said, and the results of all its calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The steps of a conversation, the oldest first, without those of the system alone."""

    turns: Sequence[Sequence[Step]]
    """Each begins with a message of the user, but for what comes before the first."""
    kept_from: int
    """The messages from here on are never touched, nor is the user's last one."""
    question: Step
    """Holds the user's last message; empty where there is none."""

    def may_go(self, step: Step) -> bool:
        """Say whether a step is old enough to be shortened or left out."""
        return step.stop <= self.kept_from and step != self.question


def outline(messages: Sequence[Message]) -> Outline:
    """Return which messages belong together, in steps and turns."""
    steps = [step for step in _steps(messages) if any(messages[at].role is not Role.SYSTEM for at in step)]
    turns: list[list[Step]] = []
    question: Step = range(0)
    for step in steps:
        is_user = any(messages[at].role is Role.USER for at in step)
        if is_user or not turns:
            turns.append([])
        turns[-1].append(step)
        question = step if is_user else question
    kept = steps[-KEPT_STEPS:]
    return Outline(turns=turns, kept_from=kept[0].start if kept else 0, question=question)


def _steps(messages: Sequence[Message]) -> list[Step]:
    """Return the steps: a new one begins where no result of an earlier call is still to come."""
    answered = {
        result.tool_call_id: at for at, message in enumerate(messages) for result in message.tool_results
    }
    steps: list[Step] = []
    start, open_until = 0, -1
    for at, message in enumerate(messages):
        if message.role is not Role.TOOL and at > open_until and at > start:
            steps.append(range(start, at))
            start = at
        open_until = max(open_until, *(answered.get(call.id, -1) for call in message.tool_calls), -1)
    return [*steps, range(start, len(messages))] if messages else []
