"""The report of a completed call, for metrics, status and traces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.domain.answer import Answer, Attempt, Route
from gateway.domain.decision import Decision, Reason, ShadowDecision
from gateway.domain.quick_init import quick_init
from gateway.policy.model import Policy

Transport = Literal["grpc", "http"]
"""What brings calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a call asks for, as its transport names it."""

    transport: Transport
    method: str
    """As logs, metrics and records name it."""
    span_name: str
    span_attributes: Mapping[str, str]
    """What OpenTelemetry wants to see from the start of a span, by the conventions of the transport."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """One completed call of a transport: numbers and names, never a text."""

    transport: Transport
    method: str
    request_id: str
    tenant: str
    code: str
    """The name of the gRPC status, whatever the transport."""
    reason: Reason | None
    """Why the call failed or got a canned reply."""
    policy: Policy | None
    """The policy of its decision; None if it was not decided."""
    decision: Decision | None
    shadow: ShadowDecision | None
    """The decision of the policy of `--shadow`."""
    answer: Answer | None
    attempts: tuple[Attempt, ...]
    """All attempts, also of a call that failed or was cancelled."""
    ended_unix_s: float
    duration_s: float
    decision_s: float | None
    """Seconds of scoring and deciding."""
    first_text_s: float | None
    """Seconds to the first text of a stream."""
    waited_s: float
    """Seconds of waiting for a slow client, and between retries."""
    http_method: str = ""
    """Over HTTP alone."""
    http_route: str = ""
    """The path, with names in place of what differs between calls; over HTTP alone."""
    key_name: str = ""
    """Of the API key that came with the call; never the key."""

    @property
    def route(self) -> Route | None:
        """Where the answer was made; None for a call without an answer."""
        return None if self.answer is None else self.answer.route

    @property
    def overhead_s(self) -> float:
        """Seconds in the gateway itself: the duration minus the waits for models, clients and retries."""
        upstream_ms = sum(attempt.upstream_ms for attempt in self.attempts) - overlap_ms(self.attempts)
        return max(0.0, self.duration_s - self.waited_s - upstream_ms / 1000)


def overlap_ms(attempts: Sequence[Attempt]) -> float:
    """Return for how many milliseconds attempts ran concurrently, as hedged ones do."""
    overlap = end = 0.0
    for attempt in sorted(attempts, key=lambda each: each.start_ms):
        last = attempt.start_ms + attempt.duration_ms
        overlap += max(0.0, min(end, last) - attempt.start_ms)
        end = max(end, last)
    return overlap


Observer = Callable[[CallReport], None]
"""Called with the report of every completed call; returns quickly and never raises."""
