"""From the gateway's values to protobuf, for every response."""

from collections import Counter
from collections.abc import Iterable, Mapping

from gateway.domain.answer import (
    Answer,
    Attempt,
    Delta,
    FinishReason,
    Outcome,
    Restart,
    Route,
    StreamEvent,
    TokenLogprob,
    Usage,
)
from gateway.domain.capability import Capability
from gateway.domain.decision import Decision, Reason, Refusal, RoutingState
from gateway.domain.privacy import Finding, PrivacyClass
from gateway.domain.request_limits import RequestLimits
from gateway.domain.session import SessionOutcome
from gateway.domain.ticket import Fetched
from gateway.ledger.money import NANOS_PER_USD
from gateway.policy.model import Policy
from gateway.server.grpc.answer_message import render_message
from gateway.server.model_list import ListedModel, list_models
from gateway.server.timestamp import timestamp_of
from gateway.v1 import gateway_pb2 as pb

_CLASSES: Mapping[PrivacyClass, pb.PrivacyClass.ValueType] = {
    klass: pb.PrivacyClass.Value(f"PRIVACY_CLASS_{klass.name}") for klass in PrivacyClass
}
_REASONS: Mapping[Reason, pb.Reason.ValueType] = {
    reason: pb.Reason.Value(f"REASON_{reason}") for reason in Reason
}
ROUTES: Mapping[Route, pb.Route.ValueType] = {route: pb.Route.Value(f"ROUTE_{route}") for route in Route}
_OUTCOMES: Mapping[Outcome, pb.Outcome.ValueType] = {
    out: pb.Outcome.Value(f"OUTCOME_{out}") for out in Outcome
}
_FINISHES: Mapping[FinishReason, pb.FinishReason.ValueType] = {
    reason: pb.FinishReason.Value(f"FINISH_REASON_{reason}") for reason in FinishReason
}


def render_decision(decision: Decision) -> pb.Decision:
    """Return the decision as the caller sees it: findings by type and count only."""
    scores, signals = decision.scores, decision.signals
    return pb.Decision(
        scores=pb.Scores(complexity=scores.complexity, privacy=scores.privacy, budget=scores.budget),
        privacy_class=_CLASSES[decision.privacy_class],
        privacy_reason=decision.privacy_reason,
        findings=[
            pb.FindingCount(type=kind, count=count)
            for kind, count in sorted(Counter(finding.type for finding in decision.findings).items())
        ],
        rule=decision.rule,
        rule_errors=decision.rule_errors,
        chain=decision.chain,
        refused=[_refusal(item, decision.state) for item in decision.refused],
        policy_hash=decision.policy_hash,
        masked=[pb.FindingCount(type=kind, count=count) for kind, count in sorted(decision.masked.items())],
        signals=pb.Signals(**signals.values()),  # type: ignore[arg-type]  # Fields of the same name and type.
        limits=None if decision.limits is None else _limits(decision.limits),
        trimmed=[
            pb.TrimmedContext(model=name, messages=each.messages, tokens=each.tokens)
            for name, each in decision.trimmed.items()
        ],
        session=None if decision.session is None else _session(decision.session),
    )


def _session(session: SessionOutcome) -> pb.Session:
    status = pb.SessionStatus.Value(f"SESSION_STATUS_{session.status.name}")
    class_ = _CLASSES[session.privacy_class]
    return pb.Session(status=status, privacy_class=class_, model=session.model, why=session.why)


def _limits(limits: RequestLimits) -> pb.RuleLimits:
    rendered = pb.RuleLimits(max_tokens=limits.max_tokens)
    if limits.effort is not None:
        rendered.effort = pb.ReasoningEffort.Value(f"REASONING_EFFORT_{limits.effort.name}")
    return rendered


def _refusal(refusal: Refusal, state: RoutingState | None) -> pb.Refusal:
    rendered = pb.Refusal(model=refusal.model, reason=_REASONS[refusal.reason])
    if refusal.reason is Reason.DEADLINE and state is not None:
        rendered.expected_s = state.finish_s[refusal.model]
        rendered.given_s = state.deadline_s
    if refusal.missing:
        rendered.capability = refusal.capability
    return rendered


def render_answer(request_id: str, answer: Answer) -> pb.GenerateResponse:
    """Return the whole response to a request that was answered, canned replies included."""
    response = pb.GenerateResponse(
        request_id=request_id,
        text=answer.text,
        message=render_message(answer.message),
        logprobs=_logprobs(answer.logprobs),
        route=ROUTES[answer.route],
        model=answer.model,
        cost_usd=answer.cost_usd_nanos / NANOS_PER_USD,
        cached_age_s=answer.cached_age_s,
        decision=render_decision(answer.decision),
        attempts=[render_attempt(attempt) for attempt in answer.attempts],
    )
    if answer.finish_reason is not None:
        response.finish_reason = _FINISHES[answer.finish_reason]
    if answer.usage is not None:
        response.usage.CopyFrom(render_usage(answer.usage))
    if answer.degraded is not None:
        response.degraded.reason = _REASONS[answer.degraded.reason]
        response.degraded.canned_id = answer.degraded.canned_id
        if answer.degraded.retry_after_s is not None:
            response.degraded.retry_after_s = answer.degraded.retry_after_s
        response.degraded.ticket_id = answer.degraded.ticket_id
    return response


def render_event(request_id: str, event: Decision | StreamEvent) -> pb.StreamGenerateResponse:
    """Return one event of a stream."""
    match event:
        case Decision():
            return pb.StreamGenerateResponse(decision=render_decision(event))
        case Delta():
            return pb.StreamGenerateResponse(delta=_delta(event))
        case Restart():
            return pb.StreamGenerateResponse(
                restart=pb.Restart(model=event.model, reason=_REASONS[event.reason])
            )
        case Answer():
            return pb.StreamGenerateResponse(completed=render_answer(request_id, event))


def _delta(delta: Delta) -> pb.Delta:
    rendered = pb.Delta(attempt=delta.attempt, logprobs=_logprobs(delta.logprobs))
    if delta.reasoning is not None:
        rendered.reasoning = delta.reasoning.text
    elif delta.tool_call is not None:
        call = delta.tool_call
        rendered.tool_call.CopyFrom(
            pb.ToolCallDelta(
                index=call.index,
                id=call.id,
                name=call.name,
                arguments_json=call.arguments_json,
                input=call.input,
            )
        )
    else:
        rendered.text = delta.text
    return rendered


def _logprobs(logprobs: Iterable[TokenLogprob]) -> list[pb.TokenLogprob]:
    return [
        pb.TokenLogprob(
            token=each.token,
            logprob=each.logprob,
            token_bytes=each.token_bytes,
            top=[
                pb.TopLogprob(token=one.token, logprob=one.logprob, token_bytes=one.token_bytes)
                for one in each.top
            ],
        )
        for each in logprobs
    ]


def render_explanation(decision: Decision) -> pb.ExplainResponse:
    """Return decision and findings with their places, never their text."""
    return pb.ExplainResponse(decision=render_decision(decision), findings=_findings(decision.findings))


def render_models(
    policy: Policy, *, key_name: str, lacking: Mapping[str, frozenset[Capability]]
) -> pb.ListModelsResponse:
    """Return what the models of a caller can do, and by which other names it may ask for them."""
    response = pb.ListModelsResponse(policy_hash=policy.hash)
    for listed in list_models(policy, key_name=key_name, lacking=lacking):
        if listed.stands_for is None:
            response.models.append(_model(listed))
        else:
            response.aliases.add(name=listed.name, model=listed.stands_for)
    return response


def _model(listed: ListedModel) -> pb.ModelInfo:
    info = pb.ModelInfo(
        name=listed.name,
        context=listed.context,
        modalities=[pb.Modality.Value(f"MODALITY_{each.upper()}") for each in listed.modalities],
        tools=listed.calls_tools,
        space=listed.space,
    )
    if listed.place is not None:
        info.place = ROUTES[listed.place]
    if (price := listed.price) is not None:
        info.price.input_per_million_usd = float(price.input)
        info.price.output_per_million_usd = float(price.output)
        info.price.cached_input_per_million_usd = float(price.of("cached_input"))
        info.price.cache_write_per_million_usd = float(price.of("cache_write"))
    return info


def render_handoff(fetched: Fetched) -> pb.GetHandoffResponse:
    """Return what a caller sees of a ticket; a person's answer has a message of its own."""
    ticket = fetched.ticket
    response = pb.GetHandoffResponse(
        ticket_id=ticket.id,
        request_id=ticket.request_id,
        state=pb.HANDOFF_STATE_PENDING if fetched.answer is None else pb.HANDOFF_STATE_ANSWERED,
        create_time=timestamp_of(ticket.created_unix_s),
        expire_time=timestamp_of(ticket.expires_unix_s),
    )
    if fetched.answer is not None:
        response.answer.text = fetched.answer
        response.answer.answer_time.CopyFrom(timestamp_of(ticket.answered_unix_s or 0.0))
    return response


def render_feedback(taken_unix_s: float) -> pb.SubmitFeedbackResponse:
    """Return what a caller gets for its feedback."""
    return pb.SubmitFeedbackResponse(create_time=timestamp_of(taken_unix_s))


def _findings(findings: Iterable[Finding]) -> list[pb.Finding]:
    return [
        pb.Finding(
            type=finding.type,
            start=finding.start,
            end=finding.end,
            confidence=finding.confidence,
            message_index=finding.message_index,
            path=finding.path,
        )
        for finding in findings
    ]


def render_attempt(attempt: Attempt) -> pb.Attempt:
    """Return one try at a model."""
    usage = attempt.usage
    rendered = pb.Attempt(
        model=attempt.model,
        outcome=_OUTCOMES[attempt.outcome],
        reason=_REASONS[attempt.reason] if attempt.reason is not None else pb.REASON_UNSPECIFIED,
        start_ms=attempt.start_ms,
        duration_ms=attempt.duration_ms,
        prompt_tokens=usage.prompt_tokens if usage is not None else 0,
        completion_tokens=usage.completion_tokens if usage is not None else 0,
        cost_usd=attempt.cost_usd_nanos / NANOS_PER_USD,
        continued=attempt.continued,
        http_status=attempt.http_status or 0,
        upstream_code=attempt.upstream_code or "",
    )
    if usage is not None:
        rendered.usage.CopyFrom(render_usage(usage))
    return rendered


def render_usage(usage: Usage) -> pb.Usage:
    """Return the tokens of an answer."""
    return pb.Usage(**usage.counts())
