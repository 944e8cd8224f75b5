"""What came of requests that were answered a second time."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.answer import Attempt, Outcome
from gateway.domain.decision import Decision


class SampleResult(StrEnum):
    """What came of a request that was drawn to be answered a second time."""

    JSON = "json"
    NUMBER = "number"
    CHOICE = "choice"
    JUDGE = "judge"
    """These four: both answers were compared, so."""
    BUSY = "busy"
    """It gave way to callers, or to another second answer before it."""
    BUDGET = "budget"
    """The day's cap or a budget had no room."""
    FORBIDDEN = "forbidden"
    """No judge may see both answers, or they do not fit into its context or the time."""
    FAILED = "failed"
    """The other side, or the judge, gave no whole answer."""
    UNREADABLE = "unreadable"
    """The judge gave no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorResult:
    """A request that was drawn, and how far the answer of the edge did what that of the cloud does."""

    request_id: str
    tenant: str
    decision: Decision
    result: SampleResult
    weak_model: str
    """The one at the edge, wherever the caller's answer came from."""
    strong_model: str
    agreement: float | None = None
    """From 0 to 1; None where both were not compared."""
    attempts: tuple[Attempt, ...] = ()
    """Of the second answer and of the judge; those of the caller's answer are its own record's."""

    @property
    def is_called(self) -> bool:
        """Whether a model was called for it."""
        return any(attempt.outcome is not Outcome.REFUSED for attempt in self.attempts)
