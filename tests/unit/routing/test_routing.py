"""Which models may answer: rules put them in order, filters remove them, and nothing gets round a filter."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.render import decision_rows
from gateway.domain.capability import Capability
from gateway.domain.conversation import (
    File,
    Image,
    Message,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Tool,
)
from gateway.domain.decision import Reason, Refusal, RoutingState, Scores
from gateway.domain.privacy import Finding, PrivacyAssessment, PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.strings import estimate_prompt_tokens
from gateway.domain.text.schema_bounds import AT_THE_EDGE
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.routing import decide_for
from gateway.server.grpc.render import render_decision
from gateway.v1 import gateway_pb2 as pb
from tests.support.decisions import decide, decided, request_of

POLICY = """\
version: 1
models:
  edge:   {kind: llama_cpp, path: "builtin:demo", clearance: restricted, context: 4096}
  small:  {kind: llama_cpp, path: /small.gguf, clearance: confidential, context: 64}
  cloud:  {kind: openai, model: a, clearance: internal, price_per_million_usd: {input: 1, output: 1}}
  backup: {kind: openai, model: b, clearance: public, price_per_million_usd: {input: 1, output: 1}}
rules:
  - {name: stays-home,   when: 'privacy_class >= CONFIDENTIAL', route: [edge, small]}
  - {name: team,         when: "labels.team == 'red'", route: [cloud]}
  - {name: nearly-spent, when: 'budget >= 0.9 && complexity < 0.8', route: [edge, small]}
  - {name: hard,         when: 'complexity >= 0.6', route: [cloud, backup, edge]}
  - {name: long,         when: 'prompt_tokens > 100', route: [backup, small, cloud]}
  - {name: default,      route: [small, edge, cloud]}
replies:
  - {id: sorry, text: x}
"""
NO_TEAM = ("team: a key is missing in a map (test has(labels.key) first)",)


@pytest.fixture(scope="module")
def policy() -> Policy:
    """A policy with a model for every clearance."""
    return parse_policy(POLICY, name="p")


@pytest.mark.parametrize(
    ("finish_s", "idle", "chain", "refused"),
    [
        ({"edge": 9.0, "small": 9.0, "cloud": 9.0}, {"edge"}, ("edge",), {"small", "cloud"}),
        ({"edge": 9.0, "small": 9.0, "cloud": 9.0}, {"edge", "small"}, ("small", "edge"), {"cloud"}),
        ({"edge": 9.0, "small": 9.0, "cloud": 9.0}, set(), (), {"small", "edge", "cloud"}),
        ({"edge": 9.0, "small": 9.0, "cloud": 1.0}, {"edge"}, ("cloud",), {"small", "edge"}),
    ],
    ids=["it is tried", "both are tried", "a busy one is not", "another one has time"],
)
def test_an_idle_model_is_tried_rather_than_none(
    policy: Policy,
    finish_s: Mapping[str, float],
    idle: set[str],
    chain: tuple[str, ...],
    refused: set[str],
) -> None:
    """Where time would leave nobody, what has nothing to do is tried: the deadline bounds what it costs."""
    state = RoutingState(deadline_s=2.0, finish_s=finish_s, idle=frozenset(idle))
    decision = decided(policy, state=state)
    assert decision.chain == chain
    assert {(each.model, each.reason) for each in decision.refused} == {(m, Reason.DEADLINE) for m in refused}


def test_a_refusal_for_want_of_time_says_how_much(policy: Policy) -> None:
    """The caller is told what was expected and what the deadline left; other refusals have no times."""
    decision = decided(
        policy, privacy=PrivacyClass.RESTRICTED, state=RoutingState(deadline_s=2.0, finish_s={"edge": 9.0})
    )
    assert [
        (each.model, each.HasField("expected_s"), each.expected_s, each.given_s)
        for each in render_decision(decision).refused
    ] == [("edge", True, 9.0, 2.0), ("small", False, 0.0, 0.0)]


def test_an_idle_model_is_not_tried_against_another_law(policy: Policy) -> None:
    """It is time alone that an idle model is spared."""
    state = RoutingState(deadline_s=2.0, finish_s={"edge": 9.0}, idle=frozenset({"edge", "small"}))
    decision = decided(policy, privacy=PrivacyClass.RESTRICTED, state=state)
    assert decision.chain == ("edge",)
    assert decision.refused == (Refusal(model="small", reason=Reason.CLEARANCE),)


@pytest.mark.parametrize(
    ("complexity", "budget", "privacy", "rule", "chain"),
    [
        (0.1, 0.0, PrivacyClass.PUBLIC, "default", ("small", "edge", "cloud")),
        (0.6, 0.0, PrivacyClass.PUBLIC, "hard", ("cloud", "backup", "edge")),
        (0.6, 0.0, PrivacyClass.INTERNAL, "hard", ("cloud", "edge")),
        (0.6, 0.95, PrivacyClass.PUBLIC, "nearly-spent", ("edge", "small")),
        (0.8, 0.95, PrivacyClass.PUBLIC, "hard", ("cloud", "backup", "edge")),
        (0.9, 0.0, PrivacyClass.CONFIDENTIAL, "stays-home", ("edge", "small")),
        (0.9, 0.0, PrivacyClass.RESTRICTED, "stays-home", ("edge",)),
    ],
)
def test_the_first_rule_that_holds_orders_the_models(
    policy: Policy, complexity: float, budget: float, privacy: PrivacyClass, rule: str, chain: tuple[str, ...]
) -> None:
    """Rules are asked in the order of the file, and the route's order is the chain's."""
    decision = decided(policy, complexity=complexity, budget=budget, privacy=privacy)
    assert (decision.rule, decision.chain) == (rule, chain)


@pytest.mark.parametrize(
    ("request_", "state", "refused", "why"),
    [
        (request_of("x" * 512), RoutingState(deadline_s=9), (), "128 tokens by the estimate may still be 64"),
        (
            request_of("x" * 513),
            RoutingState(deadline_s=9),
            (("small", Reason.CONTEXT_LENGTH_EXCEEDED),),
            "even half of the estimate is over 64",
        ),
        (
            request_of("x" * 4096 * 8, "x"),
            RoutingState(deadline_s=9),
            (("small", Reason.CONTEXT_LENGTH_EXCEEDED), ("edge", Reason.CONTEXT_LENGTH_EXCEEDED)),
            "all messages count",
        ),
        (
            request_of(json_schema='{"a": "' + "x" * AT_THE_EDGE.max_bytes + '"}'),
            RoutingState(deadline_s=9),
            (("small", Reason.CAPABILITY), ("edge", Reason.CAPABILITY)),
            "a schema too long for a grammar stops llama.cpp, not the cloud",
        ),
        (
            request_of(json_schema="[" * (AT_THE_EDGE.max_depth + 1) + "]" * (AT_THE_EDGE.max_depth + 1)),
            RoutingState(deadline_s=9),
            (("small", Reason.CAPABILITY), ("edge", Reason.CAPABILITY)),
            "a schema too deep for a grammar",
        ),
        (request_of(json_schema="{}"), RoutingState(deadline_s=9), (), "a small schema stops nobody"),
        (
            request_of(),
            RoutingState(deadline_s=2.0, finish_s={"small": 2.5, "edge": 2.0, "backup": 99.0}),
            (("small", Reason.DEADLINE),),
            "only what is measured to be slower than the deadline; as slow as it is not",
        ),
        (
            request_of("x" * 513, json_schema="[" * 99),
            RoutingState(deadline_s=1.0, finish_s={"small": 9.0, "edge": 9.0}),
            (("small", Reason.CONTEXT_LENGTH_EXCEEDED), ("edge", Reason.CAPABILITY)),
            "the first reason counts: context, capability, deadline",
        ),
    ],
)  # fmt: skip
def test_filters_remove_models_and_say_why(
    policy: Policy,
    request_: Request,
    state: RoutingState,
    refused: tuple[tuple[str, Reason], ...],
    why: str,
) -> None:
    """A model that may not or cannot answer is left out with its first reason; the others keep order."""
    if estimate_prompt_tokens(request_) > 100:
        policy = parse_policy(POLICY.replace("prompt_tokens > 100", "false"), name="p")
    decision = decided(policy, request=request_, state=state)
    found = tuple((refusal.model, refusal.reason) for refusal in decision.refused)
    assert (decision.rule, found) == ("default", refused), why
    gone = {model for model, _ in refused}
    assert decision.chain == tuple(name for name in ("small", "edge", "cloud") if name not in gone)


def test_a_refusal_says_what_the_model_cannot_do(policy: Policy) -> None:
    """CAPABILITY names everything that is missing, to the caller too; a model that can is in the chain."""
    asked = request_of()
    image = Message(role=Role.USER, parts=(Image(url="https://a.example/x.png"),))
    asked = replace(
        asked, messages=(*asked.messages, image), config=replace(asked.config, tools=(Tool(name="look"),))
    )
    seeing = parse_policy(POLICY.replace("model: a,", "model: a, modalities: [text, image],"), name="p")
    refused = decided(policy, request=asked, complexity=0.9)
    told = {each.model: each.capability for each in render_decision(refused).refused}
    assert told == {"cloud": "images", "backup": "images", "edge": "images"}
    assert {each.reason for each in refused.refused} == {Reason.CAPABILITY}
    assert decided(seeing, request=asked, complexity=0.9).chain == ("cloud",)


def test_a_local_model_that_turns_out_to_lack_something_is_left_out(policy: Policy) -> None:
    """What its engine found when it loaded the file counts for requests that need it, and for no others."""
    lacking = {"edge": frozenset({Capability.REASONING, Capability.TOOLS})}
    state = RoutingState(deadline_s=60.0, lacking=lacking)
    asked = request_of()
    thinking = replace(asked, config=replace(asked.config, reasoning=ReasoningConfig(budget_tokens=100)))
    refused = decided(policy, request=thinking, complexity=0.9, state=state).refused
    assert Refusal(model="edge", reason=Reason.CAPABILITY, missing=(Capability.REASONING,)) in refused
    calling = replace(asked, config=replace(asked.config, tools=(Tool(name="look"),)))
    refused = decided(policy, request=calling, complexity=0.9, state=state).refused
    assert Refusal(model="edge", reason=Reason.CAPABILITY, missing=(Capability.TOOLS,)) in refused
    assert "edge" in decided(policy, request=thinking, complexity=0.9).chain
    assert "edge" in decided(policy, request=asked, complexity=0.9, state=state).chain


def test_what_the_gateway_asks_itself_needs_only_what_it_holds(policy: Policy) -> None:
    """A model may be asked about a request with tools that it could not answer, by a request without."""
    judged = decided(
        policy,
        request=replace(request_of(), config=GenerationConfig(tools=(Tool(name="look"),))),
        state=RoutingState(deadline_s=60.0, lacking={"edge": frozenset({Capability.TOOLS})}),
    )
    assert "edge" not in judged.chain
    allowed = decide_for(request_of("Which is better?"), "edge", judged=judged, policy=policy)
    assert allowed is not None
    assert allowed.chain == ("edge",)


def test_clearance_is_the_first_reason(policy: Policy) -> None:
    """A model that may not see the request is refused for that, whatever else is wrong with it."""
    decision = decided(
        policy,
        request=request_of("x" * 4096, json_schema="[" * 99),
        privacy=PrivacyClass.RESTRICTED,
        state=RoutingState(deadline_s=0.1, finish_s={"small": 9.0}),
    )
    assert Refusal(model="small", reason=Reason.CLEARANCE) in decision.refused


def test_only_models_of_the_rule_s_route_are_refused(policy: Policy) -> None:
    """A model that the rule does not name was not removed by a filter, and is not reported."""
    decision = decided(policy, privacy=PrivacyClass.RESTRICTED)
    assert decision.rule == "stays-home"
    assert [refusal.model for refusal in decision.refused] == ["small"]


def test_a_chain_may_be_empty(policy: Policy) -> None:
    """Where filters leave nothing, the decision says so; dispatch answers with a canned reply."""
    only_cloud = parse_policy(POLICY.replace("[edge, small]}", "[cloud, backup]}"), name="p")
    decision = decided(only_cloud, privacy=PrivacyClass.CONFIDENTIAL)
    assert decision.chain == ()
    assert {refusal.reason for refusal in decision.refused} == {Reason.CLEARANCE}


def test_a_rule_without_a_value_does_not_hold_and_is_reported(policy: Policy) -> None:
    """A missing label key is an error in its rule: the next rule is asked, and the decision tells."""
    assert decided(policy).rule_errors == NO_TEAM
    with_team = decided(policy, request=request_of(labels={"team": "red"}))
    assert (with_team.rule, with_team.rule_errors) == ("team", ())


@pytest.mark.parametrize(
    ("parts", "tools", "rule"),
    [
        ((), 0, "default"),
        ((Image(url="https://a.example/x.png"),), 0, "seen"),
        ((File(data=b"x", media_type="application/pdf"),), 0, "seen"),
        ((), 2, "tools"),
    ],
)
def test_rules_see_signals_of_the_conversation(
    parts: tuple[Image | File, ...], tools: int, rule: str
) -> None:
    """Tools that are offered and images or files, and the decision says what they saw."""
    rules = (
        "rules:\n  - {name: seen, when: has_images, route: [cloud]}\n"
        "  - {name: tools, when: tools_offered > 1, route: [cloud]}\n"
    )
    policy = parse_policy(POLICY.replace("rules:\n", rules), name="p")
    hello = request_of()
    messages = (*hello.messages, Message(role=Role.USER, parts=parts)) if parts else hello.messages
    offered = tuple(Tool(name=f"t{index}") for index in range(tools))
    asked = replace(hello, messages=messages, config=GenerationConfig(tools=offered))
    decision = decided(policy, request=asked)
    assert decision.rule == rule
    told = render_decision(decision).signals
    assert (told.tools_offered, told.has_images) == (tools, bool(parts))


def test_a_permit_is_for_what_the_rule_lowers() -> None:
    """A model that takes an effort is told the rule's, another one not; the decision shows the rule's."""
    text = POLICY.replace("model: a,", "model: gpt-5,").replace(
        "route: [small, edge, cloud]}",
        "route: [small, edge, cloud, backup], set: {max_tokens: 300, effort: low}}",
    )
    decision = decided(parse_policy(text, name="p"))
    sent = {name: permit.request.config for name, permit in decision.permits.items()}
    assert {name: config.max_tokens for name, config in sent.items()} == {"cloud": 300, "backup": 300}
    assert {name: config.reasoning.effort for name, config in sent.items()} == {
        "cloud": ReasoningEffort.LOW,
        "backup": None,
    }
    told = render_decision(decision).limits
    assert (told.max_tokens, told.effort) == (300, pb.REASONING_EFFORT_LOW)
    assert ("limits", "max_tokens 300, effort low") in decision_rows(render_decision(decision))
    assert not render_decision(decided(parse_policy(POLICY, name="p"))).HasField("limits")


def test_rules_after_the_one_that_holds_are_not_asked(policy: Policy) -> None:
    """An error in a rule further down is not met, so not reported."""
    assert decided(policy, privacy=PrivacyClass.CONFIDENTIAL).rule_errors == ()


def test_the_decision_explains_itself(policy: Policy) -> None:
    """Scores, class with its reason, findings and the policy's hash are what they were."""
    findings = (
        Finding(type="PHONE", start=0, end=3, confidence=0.9),
        Finding(type="EMAIL", start=5, end=9, confidence=0.9),
    )
    scores = Scores(complexity=0.1, privacy=0.4, budget=0.2)
    privacy = PrivacyAssessment(
        score=0.4, privacy_class=PrivacyClass.INTERNAL, reason="score", findings=findings
    )
    decision = decide(
        request_of(), scores=scores, privacy=privacy, policy=policy, state=RoutingState(deadline_s=1.0)
    )
    assert (decision.scores, decision.privacy_class) == (scores, PrivacyClass.INTERNAL)
    assert (decision.privacy_reason, decision.findings) == ("score", findings)
    assert decision.policy_hash == policy.hash


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("findings == ['EMAIL', 'PHONE']", True),  # Each type once, in order of the alphabet.
        ("tenant == 'acme' && labels == {'a': 'b'}", True),
        ("prompt_tokens == 2 && deadline_s == 60.0", True),
        ("complexity == 0.5 && privacy == 0.25 && budget == 0.125", True),
        ("privacy_class == INTERNAL", True),
        ("privacy_class == PUBLIC", False),
    ],
)
def test_a_rule_sees_the_request_as_it_is(when: str, holds: bool) -> None:
    """Every variable of a condition comes from the request, its scores and the state."""
    rules = f'rules:\n  - {{name: seen, when: "{when}", route: [edge]}}\n'
    found = tuple(Finding(type=kind, start=0, end=1, confidence=1.0) for kind in ("PHONE", "EMAIL", "PHONE"))
    decision = decide(
        request_of("hello", labels={"a": "b"}),
        scores=Scores(complexity=0.5, privacy=0.25, budget=0.125),
        privacy=PrivacyAssessment(
            score=0.25, privacy_class=PrivacyClass.INTERNAL, reason="score", findings=found
        ),
        policy=parse_policy(POLICY.replace("rules:\n", rules), name="p"),
        state=RoutingState(deadline_s=60.0),
    )
    assert (decision.rule == "seen") is holds


@pytest.mark.parametrize(
    ("contents", "tokens"),
    [(("",), 0), (("a",), 1), (("abcd",), 1), (("abcde",), 2), (("ab", "cd", "e"), 2), (("äöü€",), 3)],
)
def test_the_estimate_is_a_quarter_of_the_bytes(contents: tuple[str, ...], tokens: int) -> None:
    """UTF-8 bytes of all contents / 4, rounded up once."""
    assert estimate_prompt_tokens(request_of(*contents)) == tokens


@given(depth=st.integers(1, 2 * AT_THE_EDGE.max_depth), noise=st.text(alphabet='[]{}\\"ab', max_size=20))
def test_brackets_in_strings_do_not_make_a_schema_deep(policy: Policy, depth: int, noise: str) -> None:
    """Only nesting counts, not what stands in strings."""
    nested: object = noise + "[{" * AT_THE_EDGE.max_depth
    for _ in range(depth):
        nested = {noise: nested}
    decision = decided(policy, request=request_of(json_schema=json.dumps(nested)))
    assert ("edge" in decision.chain) is (depth <= AT_THE_EDGE.max_depth)
