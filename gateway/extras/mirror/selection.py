"""Which requests may be answered a second time, by which model, and who pays. Pure."""

from dataclasses import dataclass, replace

from gateway.policy.mirror import CAP, MirrorPolicy
from gateway.policy.model import Budget, Policy
from gateway.types import Answer, Decision, FinishReason, Outcome, PrivacyClass, Reason, Request, Route

ENDED = frozenset({FinishReason.STOP, FinishReason.STOP_SEQUENCE})
"""How an answer ends that can be compared; of one that was cut nobody knows what it would have said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorCandidate:
    """A request that is to be answered again: what its caller got, and who answers next."""

    request: Request
    answer: Answer
    second: str
    """A model of the decision's chain, of the other side."""

    @property
    def decision(self) -> Decision:
        """What the first answer was decided by."""
        return self.answer.decision

    @property
    def weak_model(self) -> str:
        """The one at the edge."""
        return self.answer.model if self.answer.route is Route.LOCAL else self.second

    @property
    def strong_model(self) -> str:
        """The one in the cloud."""
        return self.second if self.answer.route is Route.LOCAL else self.answer.model

    def texts(self, second: Answer) -> tuple[str, str]:
        """Return the answers of the edge and of the cloud."""
        both = self.answer.text, second.text
        return both if self.answer.route is Route.LOCAL else both[::-1]


def draw(request: Request, answer: Answer, policy: Policy) -> MirrorCandidate | None:
    """Return who may answer a request again; None: nobody, or there is nothing to learn from it.

    Only a model of the request's own chain: no second answer goes where the first could not have gone. None
    is asked for a caller that bounds its cost, nor where the first answer met a failure, which might have
    been the request's doing.
    """
    section, decision = policy.mirror, answer.decision
    if section is None or not is_drawn_from(decision.privacy_class, section):
        return None
    if decision.policy_hash != policy.hash or request.hints.max_cost_usd_nanos is not None:
        return None
    if answer.degraded is not None or answer.finish_reason not in ENDED or not _went_well(answer):
        return None
    others = (name for name in decision.chain if policy.models[name].route is not answer.route)
    second = next(others, None)
    if second is None:
        return None
    return MirrorCandidate(request=request, answer=answer, second=second)


def is_drawn_from(class_: PrivacyClass, section: MirrorPolicy) -> bool:
    """Say whether texts of a class may be answered a second time."""
    return class_.name.lower() in section.classes


def capped(policy: Policy) -> Policy:
    """Return the policy for second answers: they are tried once, and paid for from a purse of their own.

    No tenant and no label is charged for what it did not ask for; caps on a model and on all spend bind here
    too. The hash is that of the policy that decided: models, clearances and rules are the same.
    """
    if policy.mirror is None:
        return policy
    purse = Budget(name=CAP, per="all", limit_usd=policy.mirror.max_usd_per_day, window="day")
    shared = [budget for budget in policy.budgets if budget.per in ("model", "all")]
    once = policy.resilience.model_copy(update={"attempts": 1})
    return replace(policy, budgets=(*shared, purse), resilience=once)


def _went_well(answer: Answer) -> bool:
    """Say whether one model gave the whole answer, and no other one failed at it."""
    return not any(
        attempt.continued
        or (attempt.outcome is Outcome.FAILED and attempt.reason is not Reason.LOW_CONFIDENCE)
        for attempt in answer.attempts
    )
