"""Same policy, request and state, same decision: whoever needs one, and from texts or from a record."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.cli.explain import decide_unspent
from gateway.clock import Deadline
from gateway.dispatch.dispatcher import Dispatcher
from gateway.domain.conversation import Message, Role, Tool
from gateway.domain.decision import Decision
from gateway.domain.privacy import Finding, PrivacyClass
from gateway.domain.request import GenerationConfig, Hints, Request
from gateway.errors import ModelNotAllowed, NotInRoute
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.spend_cache import SpendCache
from gateway.offline.policy_tests import run_tests
from gateway.offline.replay import difference, not_reproduced
from gateway.pipeline.assess import PolicyAssessor
from gateway.pipeline.assessor import Assessor
from gateway.pipeline.context import CallSummary
from gateway.pipeline.extras import Extras
from gateway.pipeline.run import Pipeline
from gateway.pipeline.shadow import Shadow
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.policy.policy_tests import GivenHints, GivenState, PolicyTest, PolicyTestExpectation
from gateway.privacy.entities.ask import EntityLookup
from gateway.records.decoding import DecisionRecord, read_record
from gateway.records.encoding import fields_of
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.fakes import FakeClock
from tests.support.pipeline_calls import context_of, incoming_of
from tests.support.records_made import POLICY as RECORDED_POLICY
from tests.support.records_made import ended

TEMPLATE = """\
version: 1
models:
  edge:   {{kind: llama_cpp, path: "builtin:demo", clearance: {edge}, context: 64}}
  cloud:  {{kind: openai, model: a, clearance: {cloud}, price_per_million_usd: {{input: 1, output: 1}},
           mask: {mask}}}
  backup: {{kind: openai, model: b, clearance: {backup}, price_per_million_usd: {{input: 1, output: 1}}}}
privacy: {{weights: {{PERSON: {person}}}, floors: {{IP: {floor}}}}}
budgets: [{{name: daily, per: tenant, limit_usd: {limit}, window: {window}}}]
aliases: {{"gpt-*": cloud}}
keys: {{ci: {{models: [gpt-*, edge]}}, desk: {{models: [backup]}}}}
rules:
  - {{name: first,   when: '{first}', route: {route}}}
  - {{name: second,  when: '{second}', route: [backup, cloud], set: {{max_tokens: 50}}}}
  - {{name: default, route: [edge, cloud, backup]}}
replies: [{{id: sorry, text: Sorry.}}]
records: {{features_up_to: restricted, labels: [team]}}
"""
CLASSES = ("public", "internal", "confidential", "restricted")
CONDITIONS = (
    "complexity >= 0.3",
    "complexity < 0.6 && prompt_tokens > 20",
    "privacy_class >= CONFIDENTIAL",
    "privacy > 0.4",
    'findings.exists(f, f == "EMAIL")',
    "budget >= 1.0",
    "budget.plan < -0.5",
    'labels.team == "red"',
    "deadline_s < 30.0",
    "tools_offered > 0",
)
WORDS = (
    "Prove that the sum of two continuous functions is continuous.",
    "Mail jane.roe@example.org the minutes.",
    "Dr. Jane Roe called from 10.1.2.3.",
    "Card 4111 1111 1111 1111.",
    "Is it <EMAIL_1>?",
    "hello",
    "word " * 80,
)
CONFIGS = (
    GenerationConfig(),
    GenerationConfig(top_logprobs=2, json_object=True),
    GenerationConfig(json_schema="[" * 40),
    GenerationConfig(tools=(Tool(name="look"),), max_tokens=100),
)
POLICIES = st.builds(
    lambda **keys: parse_policy(TEMPLATE.format(**keys), name="p"),
    edge=st.sampled_from(CLASSES),
    cloud=st.sampled_from(CLASSES),
    backup=st.sampled_from(CLASSES),
    mask=st.sampled_from(("[]", "[EMAIL]", "[EMAIL, PERSON]")),
    person=st.sampled_from((0.0, 0.3, 0.9)),
    floor=st.sampled_from(CLASSES),
    limit=st.sampled_from((0, 1)),
    window=st.sampled_from(("day", "month")),
    first=st.sampled_from(CONDITIONS),
    second=st.sampled_from(CONDITIONS),
    route=st.sampled_from(("[cloud, edge]", "[edge]", "[cloud, backup, edge]")),
)
REQUESTS = st.builds(
    lambda words, hint, team, config, model, key_name: Request(
        request_id="test",
        tenant="acme",
        key_name=key_name,
        messages=(Message(role=Role.USER, content=" ".join(words)),),
        config=config,
        model=model,
        hints=Hints(privacy_class=hint),
        labels={} if team is None else {"team": team},
    ),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
    st.sampled_from((None, PrivacyClass.INTERNAL, PrivacyClass.CONFIDENTIAL)),
    st.sampled_from((None, "red", "blue")),
    st.sampled_from(CONFIGS),
    st.sampled_from(("", "", "auto", "edge", "backup", "gpt-5")),
    st.sampled_from(("", "", "ci", "desk", "other")),
)


@dataclass(frozen=True)
class Entity:
    """A detector that finds one person at the beginning of each request."""

    confidence: float

    async def find(self, request: Request, deadline: Deadline) -> Sequence[Finding]:
        """Return the place."""
        return [Finding(type="PERSON", start=0, end=4, confidence=self.confidence)]


def told(decision: Decision) -> Decision:
    """Return what a caller is told of a decision."""
    return replace(decision, permits={}, routing_input=None, state=None)


def served(
    policy: Policy, request: Request, clock: FakeClock, *, entities: Sequence[EntityLookup] = ()
) -> CallSummary:
    """Return what a pipeline says of a request, with the policy as its own shadow."""
    summaries: list[CallSummary] = []

    async def explain() -> None:
        def assessor() -> PolicyAssessor:
            return PolicyAssessor(policy, Assessor(policy, clock=clock))

        ledger = MemoryLedger(clock=clock)
        backends = {name: ScriptedBackend(name, [reply("x")], clock=clock) for name in policy.models}
        pipeline = Pipeline(
            policy=policy,
            assessor=assessor(),
            dispatcher=Dispatcher(backends=backends, ledger=ledger, clock=clock),
            budgets=SpendCache(ledger, clock=clock),
            clock=clock,
            extras=Extras(shadow=Shadow(policy, assessor=assessor(), clock=clock), entities=tuple(entities)),
        )
        context = context_of(request, pipeline.deadline(None), clock=clock, conclude=summaries.append)
        with suppress(NotInRoute, ModelNotAllowed):  # It is decided all the same.
            await pipeline.explain(incoming_of(request), context)

    asyncio.run(explain())
    (summary,) = summaries
    return summary


def recorded(summary: CallSummary) -> DecisionRecord:
    """Return what is read back of a call, through JSON as in a file."""
    report = replace(
        ended(parse_policy(RECORDED_POLICY, name="p")),
        policy=summary.policy,
        decision=summary.decision,
        shadow=summary.shadow,
        answer=None,
    )
    return read_record(json.loads(json.dumps({"v": 1, **fields_of(report)})))


def by_policy_test(policy: Policy, request: Request, like: Decision) -> Decision:
    """Return what `gateway policy test` decides of a request in the state of another decision."""
    assert like.state is not None
    hint = request.hints.privacy_class
    test = PolicyTest(
        prompt=request.messages[0].content,
        labels=dict(request.labels),
        hints=GivenHints(privacy_class=None if hint is None else hint.name.lower()),  # type: ignore[arg-type]  # A name.
        state=GivenState(
            tenant=request.tenant,
            key=request.key_name or None,
            budget=like.state.budget,
            budget_plan=like.state.budget_plan,
            deadline_s=like.state.deadline_s,
        ),
        expect=PolicyTestExpectation(rule="default"),
    )
    (verdict,) = run_tests(replace(policy, tests=(test,)))
    return verdict.decision


@settings(max_examples=60, deadline=None)
@given(policy=POLICIES, request_=REQUESTS, unix_s=st.integers(1_700_000_000, 1_900_000_000))
def test_all_six_decide_alike(policy: Policy, request_: Request, unix_s: int) -> None:
    """Pipeline, explain, policy test, shadow, replay and diff: from texts or from a record, the same."""
    clock = FakeClock(unix_s=float(unix_s))
    summary = served(policy, request_, clock)
    decision, shadow = summary.decision, summary.shadow
    named, allowed = policy.names.model(request_.model), policy.models_of_key(request_.key_name)
    if named and allowed is not None and named not in allowed:
        assert decision is None, "a model that the key may not use is refused before anything is scored"
        return
    assert decision is not None
    assert allowed is None or allowed.issuperset(decision.chain)
    assert told(decide_unspent(request_, policy, clock=clock)) == told(decision)
    if request_.config == GenerationConfig() and not request_.model:  # A policy test cannot say these.
        assert told(by_policy_test(policy, request_, decision)) == told(decision)
    assert (shadow is not None) is decision.is_in_route
    if shadow is not None:
        assert (shadow.differs, shadow.privacy_class) == (False, decision.privacy_class)
        assert (shadow.rule, shadow.chain) == (decision.rule, decision.chain)

    record = recorded(summary)
    assert not_reproduced(record, policy) == []
    same = difference(record, policy, policy)
    assert not same.goes_elsewhere
    for again in (same.before, same.after):
        assert (again.rule, again.chain, again.refused) == (decision.rule, decision.chain, decision.refused)
        assert (again.scores, again.privacy_class) == (decision.scores, decision.privacy_class)
        assert again.permits == {}, "what is decided from a record lets nothing leave"


@settings(max_examples=20, deadline=None)
@given(policy=POLICIES, request_=REQUESTS, confidence=st.sampled_from((0.4, 0.9)))
def test_a_shadow_sees_the_entities_that_were_found(
    policy: Policy, request_: Request, confidence: float
) -> None:
    """The same policy as its own shadow never differs, whatever recognisers found; a record says the same."""
    clock = FakeClock()
    lookup = EntityLookup(Entity(confidence), limit_s=9.0, clock=clock)
    summary = served(policy, request_, clock, entities=[lookup])
    decision, shadow = summary.decision, summary.shadow
    assume(decision is not None and decision.is_in_route)
    assert decision is not None
    assert shadow is not None
    assert any(finding.start == 0 and finding.type == "PERSON" for finding in decision.findings) == (
        confidence >= policy.privacy.report_at
    )
    assert (shadow.differs, shadow.privacy_class) == (False, decision.privacy_class)
    assert not_reproduced(recorded(summary), policy) == []


def test_the_state_before_the_first_request_has_a_plan() -> None:
    """Explain reads `budget.plan` as a gateway does that has spent nothing: behind it, by what has passed."""
    keys = {"edge": "restricted", "cloud": "public", "backup": "public", "mask": "[]", "person": 0.0}
    rules = {"first": "budget.plan < -0.4", "second": "false", "route": "[edge]"}
    text = TEMPLATE.format(**keys, **rules, floor="public", limit=1, window="day")
    policy = parse_policy(text, name="p")
    request = Request(request_id="r", tenant="t", messages=(Message(role=Role.USER, content="hello"),))
    midnight_s = 1_800_057_600.0
    decided = [
        decide_unspent(request, policy, clock=FakeClock(unix_s=midnight_s + 3600.0 * hour))
        for hour in (1, 12)
    ]
    assert [each.rule for each in decided] == ["default", "first"]
    assert all(each.routing_input is not None and each.routing_input.features for each in decided)
