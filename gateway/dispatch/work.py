"""What dispatch is asked to do."""

from dataclasses import dataclass

from gateway.clock import Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.recovery import PrivacyCheck
from gateway.domain.decision import Decision
from gateway.domain.delivery import Delivery
from gateway.domain.quick_init import quick_init
from gateway.domain.request import Request
from gateway.policy.model import Policy


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRequest:
    """What dispatch was asked to do."""

    request: Request
    decision: Decision
    policy: Policy
    deadline: Deadline
    """The caller's, less the reserve for the reply."""
    delivery: Delivery
    attempt_log: AttemptLog
    """Where every try is noted."""
    privacy_check: PrivacyCheck | None = None
    """Says how private a request is that holds what was already answered; without one none is sent."""
