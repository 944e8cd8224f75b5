"""A policy with second answers, and what it decided and answered, made by hand."""

from dataclasses import replace
from typing import Any

from gateway.domain.answer import Answer, Attempt, FinishReason, Outcome, Route
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, RoutingState, Scores
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.request import Hints, Request
from gateway.extras.mirror.selection import draw
from gateway.policy.loading.load import parse_policy
from gateway.routing import decide_for, restrict_to
from tests.support.decisions import decide
from tests.support.policies import POLICY

PATIENT = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 60, max: 300}")
"""Nothing that is to be dropped ends before that by itself, however slow the machine."""


EVERY = f"{PATIENT}mirror: {{share: 1.0}}\nprivacy: {{limit_ms: 10000}}\n"
"""A scan that ends late on a busy machine would keep a second answer home."""


BOTH = EVERY.replace("route: [cloud]}", "route: [cloud, edge]}")
"""What a team asks goes to the cloud first, and may be answered at the edge."""


ROUTES = BOTH.replace("[edge, cloud]", "[edge, backup, cloud]").replace(
    "\nrules:", '\n  backup: {kind: llama_cpp, path: "/models/b.gguf", clearance: restricted}\nrules:'
)


PARSED = parse_policy(ROUTES, name="p")


REQUEST = Request(request_id="r", tenant="t", messages=(Message(role=Role.USER, content="x"),))


def decision_of(class_: PrivacyClass = PrivacyClass.PUBLIC, **labels: str) -> Decision:
    """Return what the policy decides of a request of a class."""
    return decide(
        replace(REQUEST, labels=labels),
        scores=Scores(complexity=0.0, privacy=0.0, budget=0.0),
        privacy=PrivacyAssessment(score=0.0, privacy_class=class_, reason=""),
        policy=PARSED,
        state=RoutingState(deadline_s=9.0),
    )


def attempt(model: str = "edge", outcome: Outcome = Outcome.ANSWERED, **fields: Any) -> Attempt:
    """Return a try."""
    known = {"model": model, "outcome": outcome, "reason": None, "start_ms": 0.0, "duration_ms": 1.0}
    return Attempt(**{**known, **fields})


FINE = Answer(
    decision=decision_of(), message=Message(role=Role.ASSISTANT, content="42"),
    finish_reason=FinishReason.STOP, usage=None, route=Route.LOCAL, model="edge", degraded=None,
    cost_usd_nanos=0, attempts=(attempt(),),
)  # fmt: skip


def check_who_is_never_drawn() -> None:
    """Another class, a caller who bounds its cost, another policy, a chain with one side, no section."""
    bounded = replace(REQUEST, hints=Hints(max_cost_usd_nanos=10**9))
    assert draw(bounded, FINE, PARSED) is None
    for class_ in (PrivacyClass.INTERNAL, PrivacyClass.CONFIDENTIAL, PrivacyClass.RESTRICTED):
        assert draw(REQUEST, replace(FINE, decision=decision_of(class_)), PARSED) is None
    assert draw(REQUEST, replace(FINE, decision=restrict_to(decision_of(), "edge")), PARSED) is None
    assert draw(REQUEST, FINE, parse_policy(POLICY, name="p")) is None
    assert draw(REQUEST, replace(FINE, decision=replace(decision_of(), policy_hash="0")), PARSED) is None


def check_no_leave_above_its_clearance() -> None:
    """The law is that of any request; and what another policy decided is no leave under this one."""
    private = decision_of(PrivacyClass.CONFIDENTIAL)
    assert decide_for(REQUEST, "cloud", judged=private, policy=PARSED) is None
    at_home = decide_for(REQUEST, "backup", judged=private, policy=PARSED)
    assert at_home is not None
    assert (at_home.chain, at_home.permits) == (("backup",), {})
    leave = decide_for(REQUEST, "cloud", judged=decision_of(PrivacyClass.INTERNAL), policy=PARSED)
    assert leave is not None
    assert (leave.chain, leave.permits["cloud"].privacy_class) == (("cloud",), PrivacyClass.INTERNAL)
    assert leave.permits["cloud"].request is REQUEST
    assert decide_for(REQUEST, "cloud", judged=replace(decision_of(), policy_hash="0"), policy=PARSED) is None
