"""Calls that are over, made by hand, for tests of what is recorded of them."""

from gateway.complexity.complexity import complexity_of, features_of
from gateway.domain.answer import Answer, Attempt, FinishReason, Outcome, Route, Usage
from gateway.domain.capability import Capability
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, RoutingState, Scores
from gateway.domain.privacy import Evidence, Finding, PrivacyAssessment, PrivacyClass
from gateway.domain.request import Request
from gateway.policy.model import Policy
from gateway.telemetry.report import CallReport
from tests.support.decisions import decide

POLICY = """\
version: 1
models:
  edge:  {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, clearance: internal, price_per_million_usd: {input: 1, output: 2}}
budgets:
  - {name: daily, per: tenant, limit_usd: 5, window: day}
rules:
  - {name: stays-home, when: 'privacy_class >= CONFIDENTIAL', route: [edge]}
  - {name: team, when: 'has(labels.team) && labels.team == "red"', route: [cloud]}
  - {name: hard, when: 'complexity >= 0.6', route: [cloud, edge]}
  - {name: default, route: [edge, cloud]}
replies:
  - {id: sorry, text: Sorry.}
records: {labels: [team], on_error: continue, rotate_mb: 256}
"""
LACKING = {"edge": frozenset({Capability.TOOLS, Capability.REASONING})}
"""What the engine of the local model says that its file cannot do."""
TEXT = "marmalade sky"
"""What is asked; it must not stand in a record."""


def ended(
    policy: Policy,
    *,
    request_id: str = "r-1",
    privacy_class: PrivacyClass = PrivacyClass.PUBLIC,
    complexity: float | None = None,
    labels: dict[str, str] | None = None,
    evidence: dict[str, Evidence] | None = None,
) -> CallReport:
    """Return a call that the first model of its chain answered."""
    request = Request(
        request_id=request_id,
        tenant="acme",
        messages=(Message(role=Role.USER, content=TEXT),),
        labels=labels or {},
    )
    counted = features_of(request.messages)
    decision = decide(
        request,
        scores=Scores(
            complexity=complexity_of(counted) if complexity is None else complexity, privacy=0.1, budget=0.0
        ),
        privacy=_privacy(privacy_class, evidence),
        policy=policy,
        state=RoutingState(deadline_s=12.5, finish_s={"edge": 0.123456789012345}, lacking=LACKING),
        features=counted if complexity is None else (),
    )
    answer = _answer(decision)
    return CallReport(
        transport="grpc",
        method="Generate",
        request_id=request_id,
        tenant="acme",
        code="OK",
        reason=None,
        policy=policy,
        decision=decision,
        shadow=None,
        answer=answer,
        attempts=answer.attempts,
        ended_unix_s=1_764_000_000.25,
        duration_s=0.021,
        decision_s=0.001,
        first_text_s=None,
        waited_s=0.0,
    )


def _privacy(privacy_class: PrivacyClass, evidence: dict[str, Evidence] | None) -> PrivacyAssessment:
    kinds = [] if privacy_class is PrivacyClass.PUBLIC else ["EMAIL"]
    found = {kind: Evidence(highest=0.9, confident=1) for kind in kinds}
    return PrivacyAssessment(
        score=0.1,
        privacy_class=privacy_class,
        reason="floor EMAIL" if kinds else "nothing found",
        findings=tuple(Finding(type=kind, start=0, end=3, confidence=0.9) for kind in kinds),
        evidence=found if evidence is None else evidence,
    )


def _answer(decision: Decision) -> Answer:
    usage = Usage(prompt_tokens=11, completion_tokens=7)
    attempt = Attempt(
        model=decision.chain[0],
        outcome=Outcome.ANSWERED,
        reason=None,
        start_ms=1.0,
        duration_ms=20.0,
        usage=usage,
        cost_usd_nanos=25_000 if decision.chain[0] == "cloud" else 0,
    )
    return Answer(
        decision=decision,
        message=Message(role=Role.ASSISTANT, content=TEXT),
        finish_reason=FinishReason.STOP,
        usage=usage,
        route=Route.LOCAL,
        model=decision.chain[0],
        degraded=None,
        cost_usd_nanos=attempt.cost_usd_nanos,
        attempts=(attempt,),
    )
