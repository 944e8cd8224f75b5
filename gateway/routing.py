"""Which models may answer a request, in which order, and why the others may not: `Decider`.

Pure: no I/O, no clock, no log. Rules order models; filters remove models, whatever a rule says. What
changes while a request runs (reservations, breakers) is read by dispatch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.domain.capability import Capability, needs_of
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import (
    _ROUTING_SEAL,
    Decision,
    EgressPermit,
    Reason,
    Refusal,
    RequestTexts,
    RoutingInput,
    RoutingState,
    Scores,
    most_masked,
)
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.quick_init import quick_init
from gateway.domain.request import Request
from gateway.domain.request_limits import RequestLimits
from gateway.domain.session import SessionOutcome
from gateway.domain.strings import estimate_prompt_tokens
from gateway.domain.trimming import ContextLimit
from gateway.policy.first_rule import facts_of, first_that_holds
from gateway.policy.model import ModelSpec, Policy, privacy_class
from gateway.policy.stickiness import class_as_masked, outcome_of, stuck
from gateway.trimming.fitting import shortened

FROM_SESSION = "session"
"""The reason of a class that only an earlier turn of the conversation had."""
LOST = "sessions unavailable"
"""The reason where nobody knows what class the conversation had."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSelection:
    """What a policy makes of a request at a moment: the chain, and why it is no other one."""

    rule: str
    rule_errors: tuple[str, ...]
    chain: tuple[str, ...]
    refused: tuple[Refusal, ...]
    privacy_class: PrivacyClass
    """Of the request in its conversation."""
    classes: Mapping[str, PrivacyClass]
    """By model of the chain, of what it may be sent; lower where a mask helps."""
    masked: frozenset[str]
    """The models of the chain that may see the request only masked."""
    limits: RequestLimits | None
    """What the rule lowers of the request."""
    context: ContextLimit | None
    """How the rule shortens a conversation that is too long."""
    is_in_route: bool
    """Whether the rule routes to a model that the caller may use: the one that it names, if it names one."""
    session: SessionOutcome


class Decider:
    """Decides under one policy, for whoever needs a decision: same input, same state, same decision."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lowers = any(rule.limits is not None for rule in policy.rules)

    def limits(self, routing_input: RoutingInput, state: RoutingState) -> RequestLimits | None:
        """Return what the rule that holds lowers of the request; no rule reads the forecasts of `state`."""
        if not self._lowers:
            return None
        class_ = max(routing_input.privacy_class, state.session.privacy_class)
        rule, _ = first_that_holds(self._policy.rules, facts_of(routing_input, state, class_))
        return rule.limits

    def decide(self, routing_input: RoutingInput, state: RoutingState) -> Decision:
        """Choose the chain, and mint a permit for each of its cloud models.

        An input without texts gets no permits, so that nothing of its request can leave.
        """
        selection = choose(routing_input, state, self._policy)
        texts = routing_input.texts
        sent = {} if texts is None else texts.sent(selection.chain, selection.masked)
        trims = shortened(sent, selection.context, models=self._policy.models, limits=selection.limits)
        sent |= {name: each.request for name, each in trims.items()}
        permits = {} if texts is None else self._permits(sent, texts, selection)
        masks = () if texts is None else (texts.masked[name] for name in permits if permits[name].values)
        return Decision(
            scores=Scores(
                complexity=routing_input.complexity, privacy=routing_input.privacy, budget=state.budget
            ),
            privacy_class=selection.privacy_class,
            privacy_reason=routing_input.privacy_reason
            if selection.privacy_class is routing_input.privacy_class
            else LOST
            if state.session.is_lost
            else FROM_SESSION,
            findings=() if texts is None else texts.findings,
            rule=selection.rule,
            rule_errors=selection.rule_errors,
            chain=selection.chain,
            refused=selection.refused,
            policy_hash=self._policy.hash,
            signals=routing_input.signals,
            limits=selection.limits,
            is_in_route=selection.is_in_route,
            permits=permits,
            masked=most_masked(masks),
            trimmed=trims,
            session=selection.session,
            routing_input=routing_input,
            state=state,
        )

    def _permits(
        self, sent: Mapping[str, Request], texts: RequestTexts, selection: ChainSelection
    ) -> Mapping[str, EgressPermit]:
        return {
            name: _permit(
                name,
                sent[name],
                values=texts.masked[name].values if name in selection.masked else {},
                class_=selection.classes[name],
                policy=self._policy,
                limits=selection.limits,
            )
            for name in selection.chain
            if self._policy.models[name].leaves_host
        }


def choose(routing_input: RoutingInput, state: RoutingState, policy: Policy) -> ChainSelection:
    """Return the chain: the first rule that holds puts models in order, filters remove those that may not.

    A model whose clearance is below the request's class is sent the masked request, if that one's class is
    not above it. Vectors come from models of one space alone. Where time would leave nobody, the models that
    have nothing to do are tried all the same: the deadline bounds what that costs. Of all this a caller that
    names a model gets the part of that one, and a key that the policy narrows the part of its models.

    All of it is judged at the highest class that a turn of the conversation had.
    """
    session = state.session
    whole = max(routing_input.privacy_class, session.privacy_class)
    rule, rule_errors = first_that_holds(policy.rules, facts_of(routing_input, state, whole))
    space = ""
    if Capability.EMBEDDINGS in routing_input.needs:
        space = policy.space_of(routing_input.model, routing_input.key_name)
    shortest = routing_input.at_shortest(rule.context)
    refusals: dict[str, Refusal | None] = {}
    classes = dict.fromkeys(rule.route, whole)
    masked: set[str] = set()
    for name in rule.route:
        spec = policy.models[name]
        if privacy_class(spec.clearance) < whole and spec.masked_types:
            classes[name] = class_as_masked(name, routing_input, session, policy.hash)
            masked.update({name} & routing_input.masked_classes.keys())
        refusals[name] = _refuse(
            name, spec, class_=classes[name], space=space, routing_input=shortest, state=state
        )
    chain = tuple(name for name, refusal in refusals.items() if refusal is None) or tuple(
        name
        for name, refusal in refusals.items()
        if refusal is not None and refusal.reason is Reason.DEADLINE and name in state.idle
    )
    only, allowed = policy.names.model(routing_input.model), policy.models_of_key(routing_input.key_name)
    asked = [name for name in rule.route if only in ("", name) and (allowed is None or name in allowed)]
    asked = [each for each in asked if policy.models[each].space == space] or asked  # For the words.
    chain = tuple(name for name in chain if name in asked)
    chain = stuck(chain, session, routing_input, policy.sessions)
    refused = tuple(each for name in asked if (each := refusals[name]) is not None and name not in chain)
    return ChainSelection(
        rule=rule.name,
        rule_errors=rule_errors,
        chain=chain,
        refused=refused,
        privacy_class=whole,
        classes={name: classes[name] for name in chain},
        session=outcome_of(session, chain, refused),
        masked=frozenset(masked.intersection(chain)),
        limits=rule.limits,
        context=rule.context,
        is_in_route=bool(asked),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What a model may be sent to go on from an answer that was begun."""

    request: Request
    """Its last message is the text so far, as the assistant's."""
    permit: EgressPermit | None
    """For a cloud model."""


def continuation_request(request: Request, *, text: str, max_tokens: int) -> Request:
    """Return the request that asks for what follows `text`, in at most `max_tokens`; to be scored anew."""
    return replace(
        request,
        messages=(*request.messages, Message(role=Role.ASSISTANT, content=text)),
        config=replace(request.config, max_tokens=max_tokens),
    )


def permit_continuation(
    begun: Request, *, model: str, privacy: PrivacyAssessment, decision: Decision, policy: Policy
) -> Continuation | None:
    """Return leave for a model of the chain to go on from an answer that was begun; None: it may not.

    `privacy` is what was found in `begun`, the text so far included: an answer may hold more than its request
    did. So a model that sees the request only masked gets none.
    """
    spec = policy.models[model]
    class_ = max(privacy.privacy_class, decision.privacy_class)
    if model not in decision.chain or decision.policy_hash != policy.hash:
        return None
    if privacy_class(spec.clearance) < class_ or estimate_prompt_tokens(begun) > 2 * spec.context:
        return None
    permit = None
    if spec.leaves_host:
        permit = _permit(model, begun, class_=class_, policy=policy)
    return Continuation(request=begun, permit=permit)


def restrict_to(decision: Decision, model: str) -> Decision:
    """Return the decision with one model of its chain; a cloud model keeps the permit that it has there."""
    if model not in decision.chain:
        raise ValueError("only a model of the chain may be asked")
    permits = {name: permit for name, permit in decision.permits.items() if name == model}
    return replace(decision, chain=(model,), permits=permits)


def decide_for(request: Request, model: str, *, judged: Decision, policy: Policy) -> Decision | None:
    """Return leave for one model to answer what the gateway itself asks; None: the law forbids it.

    `judged` is what the policy decided of `request`; its rules, which are for callers, do not matter.
    """
    routing_input, state = judged.routing_input, judged.state
    if routing_input is None or state is None or judged.policy_hash != policy.hash:
        return None
    class_, spec = judged.privacy_class, policy.models[model]
    routing_input = replace(routing_input, needs=needs_of(request))
    if _refuse(model, spec, class_=class_, space="", routing_input=routing_input, state=state) is not None:
        return None
    permits = {}
    if spec.leaves_host:
        permits[model] = _permit(model, request, class_=class_, policy=policy)
    return replace(judged, chain=(model,), permits=permits, refused=(), masked={}, trimmed={}, limits=None)


def _permit(
    model: str,
    request: Request,
    *,
    class_: PrivacyClass,
    policy: Policy,
    values: Mapping[str, str] | None = None,
    limits: RequestLimits | None = None,
) -> EgressPermit:
    return EgressPermit(
        request_id=request.request_id,
        model=model,
        privacy_class=class_,
        clearance=privacy_class(policy.models[model].clearance),
        policy_hash=policy.hash,
        request=policy.models[model].lowered(request, limits),
        values=values or {},
        seal=_ROUTING_SEAL,
    )


def _refuse(
    model: str,
    spec: ModelSpec,
    *,
    class_: PrivacyClass,
    space: str,
    routing_input: RoutingInput,
    state: RoutingState,
) -> Refusal | None:
    """Return the first law that keeps a model from answering a request of `class_`, in a vector `space`."""
    if privacy_class(spec.clearance) < class_:
        return Refusal(model=model, reason=Reason.CLEARANCE)
    # Half of the estimate is 8 bytes a token, which hardly any text reaches, so what is removed here
    # surely does not fit; what may not fit is counted by the backend, exactly.
    if routing_input.prompt_tokens > 2 * spec.context:
        return Refusal(model=model, reason=Reason.CONTEXT_LENGTH_EXCEEDED)
    if missing := spec.missing(routing_input.needs, lacking=state.lacking.get(model, frozenset())):
        return Refusal(model=model, reason=Reason.CAPABILITY, missing=missing)
    if spec.space != space:
        return Refusal(model=model, reason=Reason.CAPABILITY, missing=(Capability.SPACE,))
    if state.finish_s.get(model, 0.0) > state.deadline_s:
        return Refusal(model=model, reason=Reason.DEADLINE)
    return None
