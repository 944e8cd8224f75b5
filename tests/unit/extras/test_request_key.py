"""Two requests are the same only where nothing differs that a model is sent, or that routing reads."""

import json
import random
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Reasoning,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
    ToolResult,
)
from gateway.domain.decision import Decision, Scores
from gateway.domain.delivery import Delivery
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import EmbeddingConfig, GenerationConfig, Hints, Request
from gateway.domain.request_limits import RequestLimits
from gateway.extras.cache.request_key import OF_THE_CALLER, RequestKeys, flight_key, is_repeatable
from gateway.policy.loading.load import parse_policy
from tests.support.policies import POLICY

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": [1, 2.5, None]}}}
REQUEST = Request(
    request_id="r",
    tenant="t",
    key_name="k",
    messages=(
        Message(role=Role.SYSTEM, content="Be brief.", name="n"),
        Message(
            role=Role.USER,
            parts=(
                Text("What is this?"),
                Image(data=b"\x00\xff", url="u", media_type="image/png"),
                File(data=b"%PDF", media_type="application/pdf", name="f"),
            ),
        ),
        Message(
            role=Role.ASSISTANT,
            parts=(
                Reasoning(text="Hm.", model="edge", opaque=b"s"),
                ToolCall(id="c", name="look", arguments_json='{"a": 1}', input="i", opaque=b"o", model="m"),
            ),
        ),
        Message(role=Role.TOOL, parts=(ToolResult(tool_call_id="c", parts=(Text("seen"),)),)),
    ),
    config=GenerationConfig(
        max_tokens=10,
        temperature=0.0,
        top_p=0.5,
        seed=1,
        stop=("x",),
        json_schema="{}",
        tools=(
            Tool(name="look", description="d", parameters_json_schema=json.dumps(SCHEMA), input_grammar="g"),
        ),
        tool_choice=ToolChoice(mode=ToolChoiceMode.NAMED, name="look"),
        parallel_tool_calls=True,
        reasoning=ReasoningConfig(effort=ReasoningEffort.LOW, budget_tokens=5),
        top_k=3,
        min_p=0.1,
        frequency_penalty=0.2,
        presence_penalty=0.3,
        logit_bias={1: 2.0, 3: 4.0},
        top_logprobs=2,
        grammar="root",
    ),
    hints=Hints(privacy_class=PrivacyClass.PUBLIC, max_cost_usd_nanos=5),
    labels={"team": "x", "trace": "1"},
    languages=("de",),
    model="auto",
    session_id="s",
    embedding=EmbeddingConfig(dimensions=3),
)
"""Every field of it differs from its default, or holds values of every kind."""


def decision_of(class_: PrivacyClass = PrivacyClass.PUBLIC, **more: Any) -> Decision:
    """Return what was decided of the request."""
    whole: dict[str, Any] = {
        "scores": Scores(complexity=0.1, privacy=0.0, budget=0.0),
        "privacy_reason": "",
        "findings": (),
        "rule": "default",
        "rule_errors": (),
        "chain": ("edge", "cloud"),
        "refused": (),
        "policy_hash": "h",
    }
    return Decision(privacy_class=class_, **(whole | more))


def keys_of(policy: str = POLICY, *, secret: bytes = b"s" * 32, models_hash: str = "m") -> RequestKeys:
    """Return what makes the keys under a policy, whose rules read labels."""
    return RequestKeys(secret, parse_policy(policy, name="p"), models_hash=models_hash)


KEYS = keys_of()


def key(request: Request) -> bytes:
    """Return the key of a request."""
    return KEYS.of(request, decision_of())


Change = Callable[[Any], Any]


def changes_of(value: Any, at: str) -> list[tuple[str, Any]]:
    """Return the value with each single thing in it changed, and where."""
    if is_dataclass(value) and not isinstance(value, type):
        return [
            (where, replace(value, **{each.name: changed}))
            for each in fields(value)
            for where, changed in changes_of(getattr(value, each.name), f"{at}.{each.name}")
        ]
    if isinstance(value, tuple):
        inner = [
            (where, (*value[:i], changed, *value[i + 1 :]))
            for i, each in enumerate(value)
            for where, changed in changes_of(each, f"{at}[{i}]")
        ]
        return [*inner, (f"{at}[+]", (*value, value[-1] if value else "new"))]
    if isinstance(value, dict):
        gone = {name: each for name, each in value.items() if name != next(iter(value))}
        return [(f"{at}[-]", gone), *((f"{at}.{name}", value | {name: "9"}) for name in value)]
    if isinstance(value, bool):
        return [(at, not value)]
    if isinstance(value, (Role, ToolKind, ToolChoiceMode, ReasoningEffort)):
        others = [each for each in type(value) if each is not value]
        return [(at, others[0])]
    if isinstance(value, bytes):
        return [(at, value + b"x")]
    if isinstance(value, str):
        return [(at, f"{value}x")]
    if isinstance(value, (int, float)):
        return [(at, value + 1), (f"{at} None", None)]
    return [(at, "something")]


SENT = [
    (where, changed)
    for where, changed in changes_of(REQUEST, "request")
    if where.split(".")[1].partition("[")[0].partition(" ")[0] not in OF_THE_CALLER - {"labels"}
]


@pytest.mark.parametrize(("where", "changed"), SENT, ids=[where for where, _ in SENT])
def test_any_change_changes_the_key(where: str, changed: Request) -> None:
    """Each field, at any depth: a new field of a request is in the key, or said to be of the caller."""
    del where
    assert key(changed) != key(REQUEST)


def test_no_two_changes_have_one_key() -> None:
    """What is added to one field is not mistaken for another: of all changes each has its own key."""
    assert len({key(changed) for _, changed in SENT}) == len(SENT)


@pytest.mark.parametrize("name", sorted(OF_THE_CALLER - {"labels"}))
def test_what_no_model_is_sent_changes_nothing(name: str) -> None:
    """The next request with another id, session or language gets the same answer."""
    for where, changed in changes_of(REQUEST, "request"):
        if where.startswith(f"request.{name}"):
            assert key(changed) == key(REQUEST), where


def test_labels_count_where_a_rule_reads_them() -> None:
    """Else a label for a trace would keep every answer from being found."""
    others = replace(REQUEST, labels={"team": "y"})
    without = keys_of(
        POLICY.replace("""  - {name: team, when: 'labels["team"] == "x"', route: [cloud]}\n""", "")
    )

    assert KEYS.of(others, decision_of()) != key(REQUEST)
    assert without.of(others, decision_of()) == without.of(REQUEST, decision_of())


def test_the_decision_and_the_policy_count() -> None:
    """Class, limits of the rule, policy, files of models and the store's secret."""
    others = [
        KEYS.of(REQUEST, decision_of(PrivacyClass.INTERNAL)),
        KEYS.of(REQUEST, decision_of(limits=RequestLimits(max_tokens=5))),
        keys_of(POLICY.replace("attempts: 1", "attempts: 2")).of(REQUEST, decision_of()),
        keys_of(models_hash="other").of(REQUEST, decision_of()),
        keys_of(secret=b"o" * 32).of(REQUEST, decision_of()),
    ]

    assert len({*others, key(REQUEST)}) == len(others) + 1


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_keys_in_tools_is_the_same(seed: int) -> None:
    """A client that writes its schemas out of a hash table asks the same."""
    rng = random.Random(seed)

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shuffled(value[name]) for name in rng.sample(list(value), len(value))}
        return value

    text = json.dumps(shuffled(SCHEMA), indent=rng.choice([None, 2]))
    tool = replace(REQUEST.config.tools[0], parameters_json_schema=text)
    changed = replace(REQUEST, config=replace(REQUEST.config, tools=(tool,), logit_bias={3: 4.0, 1: 2.0}))

    assert key(changed) == key(REQUEST)


def test_texts_of_any_kind_have_keys() -> None:
    """Half characters, and schemas that are no JSON."""
    odd = Message(role=Role.USER, content="half \ud83d")
    tool = replace(REQUEST.config.tools[0], parameters_json_schema="{no json")

    assert key(replace(REQUEST, messages=(odd,))) != key(REQUEST)
    assert key(replace(REQUEST, config=replace(REQUEST.config, tools=(tool,)))) != key(REQUEST)


@pytest.mark.parametrize(
    ("config", "is_so"),
    [
        ({}, False),
        ({"temperature": 0.7}, False),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.7, "seed": 3}, True),
        ({"seed": 0}, True),
    ],
)
def test_only_greedy_and_seeded_requests_are_repeatable(config: dict[str, Any], is_so: bool) -> None:
    """Whoever asks twice for a sample wants two."""
    request = replace(REQUEST, config=GenerationConfig(**config), embedding=None)

    assert is_repeatable(request) is is_so
    assert not is_repeatable(replace(request, embedding=EmbeddingConfig()))


@pytest.mark.parametrize("name", ["key_name", "hints", "labels", "languages"])
def test_a_call_is_shared_by_callers_alike(name: str) -> None:
    """Who pays from another budget, or takes failures otherwise, makes a call of its own."""
    own = flight_key(b"k", REQUEST, decision_of(), Delivery.PIECES)
    for where, changed in changes_of(REQUEST, "request"):
        if where.startswith(f"request.{name}"):
            assert flight_key(b"k", changed, decision_of(), Delivery.PIECES) != own, where

    assert flight_key(b"k", REQUEST, decision_of(chain=("edge",)), Delivery.PIECES) != own
    assert flight_key(b"k", REQUEST, decision_of(), Delivery.WHOLE) != own
    assert flight_key(b"o", REQUEST, decision_of(), Delivery.PIECES) != own
    assert flight_key(b"k", replace(REQUEST, request_id="z"), decision_of(), Delivery.PIECES) == own
