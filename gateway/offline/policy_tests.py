"""Runs the tests of a policy: scores and routes each prompt in this process."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, RoutingState
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Hints, Request
from gateway.offline.batch import StillClock
from gateway.pipeline.assessor import Assessor
from gateway.policy.model import Policy
from gateway.policy.policy_tests import PolicyTest
from gateway.routing import Decider


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of one test; it passes when there are no problems."""

    index: int
    line: int
    problems: tuple[str, ...]
    decision: Decision


def run_tests(policy: Policy) -> Iterator[Verdict]:
    """Yield the result of each test, in order; without time limits of detectors, so all machines agree."""
    assessor, decider = Assessor(policy, clock=StillClock()), Decider(policy)
    for index, test in enumerate(policy.tests):
        decision = _decided(test, policy, assessor, decider)
        yield Verdict(
            index=index,
            line=policy.source.lines.get(("tests", index), 1),
            problems=tuple(_problems(test, decision)),
            decision=decision,
        )


def _decided(test: PolicyTest, policy: Policy, assessor: Assessor, decider: Decider) -> Decision:
    state, hint = test.state, test.hints.privacy_class
    request = Request(
        request_id="test",
        tenant=state.tenant,
        messages=(Message(role=Role.USER, content=test.prompt),),
        hints=Hints(privacy_class=None if hint is None else PrivacyClass[hint.upper()]),
        labels=test.labels,
    )
    assessed = assessor.assess(request)
    if state.complexity is not None:
        assessed = replace(assessed, complexity=state.complexity)
    now = RoutingState(
        deadline_s=state.deadline_s or policy.resilience.deadline_s.default,
        budget=state.budget,
        budget_plan=state.budget_plan,
    )
    return decider.decide(assessed, now)


def _problems(test: PolicyTest, decision: Decision) -> Iterator[str]:
    expect = test.expect
    class_ = decision.privacy_class.name.lower()
    if expect.privacy_class is not None and expect.privacy_class != class_:
        yield f"class is {class_} ({decision.privacy_reason}), expected {expect.privacy_class}"
    if expect.rule is not None and expect.rule != decision.rule:
        yield f"rule is {decision.rule}, expected {expect.rule}"
    first = decision.chain[0] if decision.chain else "none"
    if expect.first is not None and expect.first != first:
        yield f"first model is {first}, expected {expect.first}"
    for name in expect.never:
        if name in decision.chain:
            yield f"{name} may be reached, expected never"
