"""The last decisions of this process, by their numbers and names."""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from gateway.admin.v1 import admin_pb2 as pb
from gateway.domain.decision import Decision
from gateway.telemetry.logs import attempt_names
from gateway.telemetry.report import CallReport

MAX_DECISIONS = 100


class Recent:
    """Keeps what an operator may see of the last calls; an observer of calls."""

    def __init__(self) -> None:
        self._decisions: deque[pb.DecisionSummary] = deque(maxlen=MAX_DECISIONS)

    def record_call(self, report: CallReport) -> None:
        """Keep the numbers and names of a call that was decided; its decision and answer hold text."""
        if report.decision is not None:
            self._decisions.append(_summary(report, report.decision))

    def latest(self, count: int) -> Sequence[pb.DecisionSummary]:
        """Return the last calls, the latest first."""
        return list(islice(reversed(self._decisions), count))


def _summary(report: CallReport, decision: Decision) -> pb.DecisionSummary:
    summary = pb.DecisionSummary(
        ended_unix_s=report.ended_unix_s,
        method=report.method,
        code=report.code,
        reason=str(report.reason or ""),
        rule=decision.rule,
        privacy_class=decision.privacy_class.name,
        complexity=decision.scores.complexity,
        privacy=decision.scores.privacy,
        budget=decision.scores.budget,
        attempts=attempt_names(report.attempts),
        duration_ms=report.duration_s * 1000,
        cost_usd_nanos=sum(attempt.cost_usd_nanos for attempt in report.attempts),
    )
    if report.answer is not None:
        summary.route = str(report.answer.route)
        summary.model = report.answer.model
    return summary
