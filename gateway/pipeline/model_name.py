"""Refuses a request for the model that it names, before a model is asked."""

from gateway.domain.decision import Decision
from gateway.domain.request import Request
from gateway.errors import NotInRoute, UnknownModel
from gateway.policy.model import Policy


def check_model_name(request: Request, policy: Policy) -> None:
    """Raise UnknownModel for a request that names a model which the policy does not know."""
    if policy.names.model(request.model) is None:
        raise UnknownModel


def check_in_route(decision: Decision, request: Request, policy: Policy) -> None:
    """Raise NotInRoute for a decision whose rule does not route to the model that the caller names."""
    if not decision.is_in_route:
        raise NotInRoute(policy.names.model(request.model) or "this model", rule=decision.rule)
