"""What is known of a call when it is over: what metrics, status and traces are made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.policy.model import Policy
from gateway.types import Answer, Attempt, Decision, Reason, Route, ShadowDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """One call of the public service, whatever became of it; numbers and names, never a text of it."""

    method: str
    request_id: str
    tenant: str
    code: str
    """The name of the gRPC status."""
    reason: Reason | None
    """Why it failed, or why it got a canned reply."""
    policy: Policy | None
    """What it was decided under; None if it did not get that far."""
    decision: Decision | None
    shadow: ShadowDecision | None
    """What the policy of `--shadow` would have decided."""
    answer: Answer | None
    attempts: tuple[Attempt, ...]
    """Also of a call that failed or was cancelled."""
    ended_unix_s: float
    duration_s: float
    decision_s: float | None
    """What scoring and deciding took."""
    first_text_s: float | None
    """Until the first text of a stream was sent."""
    waited_s: float
    """For a reader that is slow, and in pauses between tries."""

    @property
    def route(self) -> Route | None:
        """Where the answer was made; None for a call that got none."""
        return None if self.answer is None else self.answer.route

    @property
    def overhead_s(self) -> float:
        """What the gateway itself took: all of it less the waits for models, readers and pauses."""
        upstream_ms = sum(attempt.upstream_ms for attempt in self.attempts) - overlap_ms(self.attempts)
        return max(0.0, self.duration_s - self.waited_s - upstream_ms / 1000)


def overlap_ms(attempts: Sequence[Attempt]) -> float:
    """Return how long more than one try ran at once, as they do when a slow beginning is hedged."""
    overlap = end = 0.0
    for attempt in sorted(attempts, key=lambda each: each.start_ms):
        last = attempt.start_ms + attempt.duration_ms
        overlap += max(0.0, min(end, last) - attempt.start_ms)
        end = max(end, last)
    return overlap


Observer = Callable[[CallReport], None]
"""Is told of every call when it is over; quick, and never raises."""
