"""Whatever the policy and the request, no rule and no name gets a request round a filter."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.decision import Reason, RoutingState, Scores
from gateway.domain.privacy import PrivacyAssessment, PrivacyClass
from gateway.domain.request import GenerationConfig, Hints, Request
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy, privacy_class
from tests.support.decisions import decide, decided, request_of
from tests.support.draws import examples

CONDITIONS = (
    "true",
    "false",
    "complexity > 0.5",
    "budget < 0.5 || privacy > 0.5",
    "privacy_class < RESTRICTED",
    "labels.a == tenant",
    "findings.exists(f, f == labels.a)",
    "prompt_tokens > 8000 && deadline_s > 1.0",
)
CLEARANCES = ("public", "internal", "confidential", "restricted")


def policy_with(*, clearances: tuple[str, ...], when: str, route: list[int]) -> Policy:
    """Return a policy with one model per clearance, of both kinds in turn, and one rule besides the last."""
    kinds = (
        "kind: llama_cpp, path: x",
        "kind: openai, model: m, price_per_million_usd: {input: 0, output: 0}",
    )
    models = [
        f"  m{index}: {{{kinds[index % 2]}, clearance: {clearance}}}"
        for index, clearance in enumerate(clearances)
    ]
    everything = ", ".join(f"m{index}" for index in range(len(clearances)))
    text = "\n".join([
        "version: 1", "models:", *models, "rules:",
        f"  - {{name: one, when: '{when}', route: [{', '.join(f'm{index}' for index in route)}]}}",
        f"  - {{name: last, route: [{everything}]}}",
        "replies: [{id: sorry, text: x}]",
    ])  # fmt: skip
    return parse_policy(text, name="p")


@pytest.mark.parametrize("when", ["true", "privacy_class == RESTRICTED", "1 / 0 == 1"])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0]])
def test_no_rule_sends_a_request_to_a_model_below_its_class(when: str, order: list[int]) -> None:
    """For every class and clearance, even by a rule that is always true, the chain is cleared."""
    policy = policy_with(clearances=CLEARANCES, when=when, route=order)
    for class_ in PrivacyClass:
        decision = decided(policy, privacy=class_)
        cleared = [name for name, spec in policy.models.items() if privacy_class(spec.clearance) >= class_]
        assert sorted(decision.chain) == cleared
        assert {refusal.reason for refusal in decision.refused} <= {Reason.CLEARANCE}


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data())
def test_whatever_the_request_the_chain_is_cleared_and_complete(data: st.DataObject) -> None:
    """A model of the route is in the chain or refused, never both; the chain is cleared for the class."""
    clearances = tuple(data.draw(st.lists(st.sampled_from(CLEARANCES), min_size=1, max_size=5)))
    route = data.draw(st.lists(st.sampled_from(range(len(clearances))), min_size=1, unique=True))
    policy = policy_with(clearances=clearances, route=route, when=data.draw(st.sampled_from(CONDITIONS)))
    share = st.floats(0, 1)
    class_ = data.draw(st.sampled_from(PrivacyClass))
    decision = decide(
        Request(
            request_id="r", tenant="t",
            messages=request_of("x" * data.draw(st.sampled_from([0, 9, 30_000, 70_000]))).messages,
            config=GenerationConfig(json_schema=data.draw(st.sampled_from([None, "{}", "[" * 40]))),
            hints=Hints(privacy_class=data.draw(st.sampled_from([None, *PrivacyClass]))),
            labels=data.draw(st.dictionaries(st.just("a"), st.just("t"))),
        ),
        scores=Scores(complexity=data.draw(share), privacy=data.draw(share), budget=data.draw(share)),
        privacy=PrivacyAssessment(score=data.draw(share), privacy_class=class_, reason="drawn"),
        policy=policy,
        state=RoutingState(
            deadline_s=data.draw(st.sampled_from([0.0, 1.0, 60.0, float("inf")])),
            finish_s=data.draw(st.dictionaries(st.sampled_from(["m0", "m1"]), st.floats(0, 100))),
        ),
    )  # fmt: skip
    rule = next(rule for rule in policy.rules if rule.name == decision.rule)
    gone = tuple(refusal.model for refusal in decision.refused)
    assert all(privacy_class(policy.models[name].clearance) >= class_ for name in decision.chain)
    assert sorted((*decision.chain, *gone)) == sorted(rule.route)
    assert [name for name in rule.route if name in decision.chain] == list(decision.chain)
    assert [name for name in rule.route if name in gone] == list(gone)


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data())
def test_to_name_a_model_never_widens_the_chain(data: st.DataObject) -> None:
    """Whatever is asked for, by name or alias: a part of the chain and of the refusals of who names none."""
    clearances = tuple(data.draw(st.lists(st.sampled_from(CLEARANCES), min_size=1, max_size=4)))
    route = data.draw(st.lists(st.sampled_from(range(len(clearances))), min_size=1, unique=True))
    drawn = policy_with(clearances=clearances, route=route, when=data.draw(st.sampled_from(CONDITIONS)))
    names = st.sampled_from(sorted(drawn.models))
    policy = replace(drawn, aliases={"gpt-*": data.draw(names), "fast": "auto"})
    asked = data.draw(st.sampled_from(["", "auto", "gpt-9", "fast", "nobody", *drawn.models]))
    request = replace(
        request_of(),
        config=GenerationConfig(json_schema=data.draw(st.sampled_from([None, "[" * 40]))),
        labels=data.draw(st.dictionaries(st.just("a"), st.just("t"))),
    )
    state = RoutingState(
        deadline_s=data.draw(st.sampled_from([0.0, 60.0])),
        finish_s=data.draw(st.dictionaries(names, st.floats(0, 100))),
        idle=data.draw(st.frozensets(names)),
    )
    class_ = data.draw(st.sampled_from(PrivacyClass))
    free = decided(policy, request=request, privacy=class_, state=state)
    narrowed = decided(policy, request=replace(request, model=asked), privacy=class_, state=state)

    only = policy.names.model(asked)
    kept = set(policy.models) if only == "" else {only}
    assert narrowed.rule == free.rule
    assert narrowed.chain == tuple(name for name in free.chain if name in kept)
    assert narrowed.refused == tuple(each for each in free.refused if each.model in kept)
    assert narrowed.permits.keys() <= free.permits.keys()
    rule = next(rule for rule in policy.rules if rule.name == free.rule)
    assert narrowed.is_in_route is any(name in kept for name in rule.route)
