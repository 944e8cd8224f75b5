"""Selects the requests to mirror, the model for each, and the budget that pays. Pure."""

from dataclasses import dataclass, replace

from gateway.domain.answer import Answer, FinishReason, Outcome, Route
from gateway.domain.decision import Decision, Reason
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.policy.mirror import CAP, MirrorPolicy
from gateway.policy.model import Budget, Policy

ENDED = frozenset({FinishReason.STOP, FinishReason.STOP_SEQUENCE})
"""Finish reasons of a complete answer; an incomplete one cannot be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorCandidate:
    """A request to mirror: the answer that its caller got, and the model of the mirrored answer."""

    request: Request
    answer: Answer
    second: str
    """The model of the mirrored answer: one of the decision's chain, on the other side."""

    @property
    def decision(self) -> Decision:
        """The decision of the first answer."""
        return self.answer.decision

    @property
    def weak_model(self) -> str:
        """The model at the edge."""
        return self.answer.model if self.answer.route is Route.LOCAL else self.second

    @property
    def strong_model(self) -> str:
        """The model in the cloud."""
        return self.second if self.answer.route is Route.LOCAL else self.answer.model

    def texts(self, second: Answer) -> tuple[str, str]:
        """Return the texts of the edge and of the cloud."""
        both = self.answer.text, second.text
        return both if self.answer.route is Route.LOCAL else both[::-1]


def draw(request: Request, answer: Answer, policy: Policy) -> MirrorCandidate | None:
    """Return the candidate for a request; None where it must not, or need not, be mirrored.

    Only a model of the request's own chain may answer, so no text goes where the request could not go. A
    request with a cost limit is not mirrored, nor one with a failed attempt, whose cause may be the request,
    nor a conversation with tools or images: only texts can be compared.
    """
    section, decision = policy.mirror, answer.decision
    if section is None or not is_drawn_from(decision.privacy_class, section):
        return None
    if decision.policy_hash != policy.hash or request.hints.max_cost_usd_nanos is not None:
        return None
    if request.config.tools or any(message.parts for message in request.messages):
        return None
    if answer.cached_age_s is not None:
        return None
    if answer.degraded is not None or answer.finish_reason not in ENDED or not _went_well(answer):
        return None
    others = (name for name in decision.chain if policy.models[name].route is not answer.route)
    second = next(others, None)
    if second is None:
        return None
    return MirrorCandidate(request=request, answer=answer, second=second)


def is_drawn_from(class_: PrivacyClass, section: MirrorPolicy) -> bool:
    """Return whether requests of a class may be mirrored."""
    return class_.name.lower() in section.classes


def capped(policy: Policy) -> Policy:
    """Return the policy for mirrored answers: a single attempt, and a separate budget.

    Budgets of tenants and labels are not charged; budgets of a model and of all spend apply too. The hash
    stays that of the policy that decided: models, clearances and rules are the same.
    """
    if policy.mirror is None:
        return policy
    budget = Budget(name=CAP, per="all", limit_usd=policy.mirror.max_usd_per_day, window="day")
    shared = [each for each in policy.budgets if each.per in ("model", "all")]
    once = policy.resilience.model_copy(update={"attempts": 1})
    return replace(policy, budgets=(*shared, budget), resilience=once)


def _went_well(answer: Answer) -> bool:
    """Return whether one model gave the whole answer, and no attempt failed."""
    return not any(
        attempt.continued
        or (attempt.outcome is Outcome.FAILED and attempt.reason is not Reason.LOW_CONFIDENCE)
        for attempt in answer.attempts
    )
