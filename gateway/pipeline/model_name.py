"""Refuses a request for the model that it names, or may not use, before a model is asked."""

from dataclasses import replace

from gateway.domain.decision import Decision
from gateway.domain.request import EmbeddingConfig, Request
from gateway.errors import InvalidRequest, ModelNotAllowed, NotInRoute, UnknownModel
from gateway.policy.model import Policy


def check_model_name(request: Request, policy: Policy) -> None:
    """Raise UnknownModel for a model that the policy does not know, ModelNotAllowed for one of other keys.

    The name of a vector space is one for embeddings alone.
    """
    names = policy.names
    model, allowed = names.model(request.model), policy.models_of_key(request.key_name)
    if model is None or (request.embedding is None and request.model in names.spaces):
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


def with_space(request: Request, policy: Policy) -> Request:
    """Return a request for embeddings as models are asked, without what it asks of dimensions in vain.

    Raises InvalidRequest if it is not clear which vector space is meant, or for too many dimensions. There is
    no canned reply of numbers. Any other request is returned as it is.
    """
    asked = request.embedding
    if asked is None:
        return request
    request = replace(request, hints=replace(request.hints, allow_degraded=False))
    space = policy.space_of(request.model, request.key_name)
    if not space:
        if policy.names.model(request.model):
            return request  # A model that chats: routing says so.
        if not policy.spaces:
            raise InvalidRequest("model", "no model of the policy gives embeddings")
        known = ", ".join(sorted(policy.spaces))
        raise InvalidRequest("model", f"must name a vector space, or a model of one: {known}")
    wanted, most = asked.dimensions, policy.spaces[space]
    if wanted is None:
        return request
    if wanted > most:
        raise InvalidRequest("dimensions", f"must be at most {most}, which the vectors of {space} have")
    return replace(request, embedding=EmbeddingConfig(dimensions=None if wanted == most else wanted))
