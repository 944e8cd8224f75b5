"""The layer that notes every try in the request's attempt log."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.clock import Clock
from gateway.dispatch.layer import AttemptContext
from gateway.domain.answer import Outcome
from gateway.domain.decision import Reason
from gateway.errors import GatewayError, NotConfident, NotTried
from gateway.telemetry.traces import AttemptStart


def outcome_of(failure: BaseException | None) -> tuple[Outcome, Reason | None]:
    """Return how a try that ended so is called, and why it did not answer."""
    if failure is None:
        return Outcome.ANSWERED, None
    if isinstance(failure, (asyncio.CancelledError, GeneratorExit)):
        return Outcome.CANCELLED, None
    if isinstance(failure, NotTried):
        return Outcome.REFUSED, failure.reason
    return Outcome.FAILED, failure.reason if isinstance(failure, GatewayError) else Reason.INTERNAL


class AttemptRecorder:
    """Notes a try when it is over, with what the layers below wrote into it, and draws its span."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    @contextmanager
    def around(self, attempt: AttemptContext) -> Iterator[None]:
        """Surround a try."""
        target = attempt.target
        started_s = self._clock.monotonic_s()
        span = target.attempt_log.span.attempt(
            AttemptStart(
                model=target.model,
                spec=target.spec,
                config=target.request.config,
                max_tokens=target.max_tokens,
                is_streamed=target.is_streamed,
            )
        )
        attempt.traceparent = span.traceparent
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            outcome, reason = outcome_of(failure)
            noted = target.attempt_log.add(
                target.model,
                outcome,
                reason,
                started_s=started_s,
                upstream_s=attempt.upstream_s,
                first_text_s=attempt.first_text_s,
                usage=failure.usage if isinstance(failure, NotConfident) else attempt.usage,
                cost_usd_nanos=attempt.cost_usd_nanos,
                continued=target.continue_final_message,
                failure=failure,
            )
            span.end(noted, attempt.finish_reason)
