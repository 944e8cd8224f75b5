"""Refuses a request for the model that it names, or may not use, before a model is asked."""

from gateway.domain.decision import Decision
from gateway.domain.request import Request
from gateway.errors import ModelNotAllowed, NotInRoute, UnknownModel
from gateway.policy.model import Policy


def check_model_name(request: Request, policy: Policy) -> None:
    """Raise UnknownModel for a model that the policy does not know, ModelNotAllowed for one of other keys."""
    model, allowed = policy.names.model(request.model), policy.models_of_key(request.key_name)
    if model is None:
        raise UnknownModel
    if model and allowed is not None and model not in allowed:
        raise ModelNotAllowed(request.key_name, model=model)


def check_in_route(decision: Decision, request: Request, policy: Policy) -> None:
    """Raise NotInRoute for a named model to which the rule does not route.

    Raises ModelNotAllowed where no model is named, and the rule routes to none that the key may use.
    """
    if decision.is_in_route:
        return
    model = policy.names.model(request.model)
    if model:
        raise NotInRoute(model, rule=decision.rule)
    raise ModelNotAllowed(request.key_name, rule=decision.rule)
