"""Every try of a request, in order, with what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog

from gateway.clock import Clock
from gateway.domain.answer import Attempt, Outcome, Usage
from gateway.domain.decision import Reason
from gateway.errors import BackendError, BackendMisfit, NotCapable
from gateway.telemetry.traces import NO_SPAN, CallSpan

_log = structlog.get_logger(__name__)


class AttemptLog:
    """The attempts of one request, from the moment that it came; grows while it is dispatched."""

    def __init__(self, clock: Clock, span: CallSpan = NO_SPAN) -> None:
        self._clock = clock
        self.span = span
        """Who is told of tries while they run."""
        self._began_s = clock.monotonic_s()
        self._attempts: list[Attempt] = []
        self.open_usd_nanos = 0
        """What the calls that run now may cost."""
        self.paused_s = 0.0
        """How long the request waited before tries, as its models and the policy asked."""

    @property
    def elapsed_s(self) -> float:
        """How long ago the request came."""
        return self._clock.monotonic_s() - self._began_s

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All that is over, in order."""
        return tuple(self._attempts)

    @property
    def cost_usd_nanos(self) -> int:
        """What this request was charged so far."""
        return sum(attempt.cost_usd_nanos for attempt in self._attempts)

    @contextmanager
    def open_call(self, worst_usd_nanos: int) -> Iterator[None]:
        """Count what a call may cost for as long as the block runs; another may run beside it."""
        self.open_usd_nanos += worst_usd_nanos
        try:
            yield
        finally:
            self.open_usd_nanos -= worst_usd_nanos

    def add(
        self,
        model: str,
        outcome: Outcome,
        reason: Reason | None,
        *,
        started_s: float,
        upstream_s: float = 0.0,
        first_text_s: float | None = None,
        usage: Usage | None = None,
        cost_usd_nanos: int = 0,
        continued: bool = False,
        failure: BaseException | None = None,
    ) -> Attempt:
        """Note a try that began at `started_s` on the clock and is over now, and how it failed."""
        upstream = failure if isinstance(failure, BackendError) else None
        attempt = Attempt(
            model=model,
            outcome=outcome,
            reason=reason,
            start_ms=(started_s - self._began_s) * 1000,
            duration_ms=(self._clock.monotonic_s() - started_s) * 1000,
            upstream_ms=upstream_s * 1000,
            first_text_ms=None if first_text_s is None else first_text_s * 1000,
            usage=usage,
            cost_usd_nanos=cost_usd_nanos,
            continued=continued,
            http_status=None if upstream is None else upstream.http_status,
            upstream_code=None if upstream is None else upstream.upstream_code,
        )
        self._attempts.append(attempt)
        if isinstance(upstream, BackendMisfit | NotCapable) and upstream.http_status is not None:
            # Every request that goes there pays for it until the operator drops the parameter.
            _log.warning("model.misfit", model=model, said=str(upstream))
        if outcome is not Outcome.ANSWERED:
            _log.debug(
                "attempt_failed",
                model=model,
                outcome=str(outcome),
                reason=str(reason) if reason else None,
                http_status=attempt.http_status,
                upstream_code=attempt.upstream_code,
                duration_ms=round(attempt.duration_ms, 1),
            )
        return attempt

    def adopt(self, other: "AttemptLog", *, since: int) -> None:
        """Note the attempts of another request from a place on: those of a call that both shared."""
        later_ms = (self._began_s - other._began_s) * 1000
        self._attempts += [
            replace(each, start_ms=max(0.0, each.start_ms - later_ms)) for each in other.attempts[since:]
        ]

    def refuse(self, model: str, reason: Reason) -> None:
        """Note that a model was passed over without a call."""
        self.add(model, Outcome.REFUSED, reason, started_s=self._clock.monotonic_s())
        self.span.passed_over(model, reason)
