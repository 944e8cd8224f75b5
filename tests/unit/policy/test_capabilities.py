"""What models of each kind can do beyond text, by what the policy says of them."""

import pytest

from gateway.domain.capability import Capability
from gateway.errors import PolicyError
from gateway.policy.loading.load import parse_policy
from gateway.policy.spec import ModelSpec

POLICY = """\
version: 1
models:
  m: {%s}
rules: [{name: default, route: [m]}]
replies: [{id: sorry, text: x}]
"""
OPENAI = "kind: openai, model: %s, clearance: public, price_per_million_usd: {input: 1, output: 1}"
PLAIN = OPENAI % "gpt-4o"
REASONS = OPENAI % "gpt-5"
FORMS = {Capability.JSON_SCHEMA, Capability.LARGE_JSON_SCHEMA, Capability.JSON_OBJECT}
TOOLS = {Capability.TOOLS, Capability.CUSTOM_TOOLS}


def spec_of(keys: str) -> ModelSpec:
    """Return the spec of a model with these keys."""
    return parse_policy(POLICY % keys, name="p").models["m"]


@pytest.mark.parametrize(
    ("keys", "capabilities"),
    [
        (PLAIN, FORMS | TOOLS | {Capability.LOGPROBS}),
        (REASONS, FORMS | TOOLS | {Capability.REASONING}),
        (
            f"{PLAIN}, tools: true, reasoning: true",
            FORMS | TOOLS | {Capability.LOGPROBS, Capability.REASONING},
        ),
        (f"{PLAIN}, tools: false", FORMS | {Capability.LOGPROBS}),
        (f"{REASONS}, reasoning: false, logprobs: true", FORMS | TOOLS | {Capability.LOGPROBS}),
        (f"{REASONS}, custom_tools: false", FORMS | {Capability.TOOLS, Capability.REASONING}),
        (
            f"{PLAIN}, base_url: 'http://127.0.0.1/v1', logprobs: false",
            FORMS | {Capability.TOOLS},
        ),
        (f"{PLAIN}, drop: [response_format], logprobs: false", TOOLS),
        (
            f"{REASONS}, modalities: [text, image, file]",
            FORMS | TOOLS | {Capability.REASONING, Capability.IMAGES, Capability.FILES},
        ),
        (
            "kind: llama_cpp, path: 'builtin:demo', clearance: public",
            {Capability.JSON_SCHEMA, Capability.JSON_OBJECT, Capability.GRAMMAR, Capability.LOGPROBS}
            | {Capability.REASONING, Capability.TOOLS},
        ),
        (
            "kind: llama_cpp, path: 'builtin:demo', clearance: public, tools: false",
            {Capability.JSON_SCHEMA, Capability.JSON_OBJECT, Capability.GRAMMAR, Capability.LOGPROBS}
            | {Capability.REASONING},
        ),
    ],
)
def test_capabilities_of_a_kind(keys: str, capabilities: set[Capability]) -> None:
    """Defaults and keys of a kind; what is missing is named in the order of the needs."""
    spec = spec_of(keys)
    assert spec.capabilities == capabilities
    assert spec.missing(tuple(Capability)) == tuple(each for each in Capability if each not in capabilities)
    assert spec.calls_tools is (Capability.TOOLS in capabilities)
    assert ("image" in spec.reads) is (Capability.IMAGES in capabilities)


def test_a_model_that_takes_no_effort_reasons_all_the_same() -> None:
    """`reasoning: false` says what it takes; its time to the first text stays that of its name."""
    assert spec_of(f"{REASONS}, reasoning: false").reasons


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("modalities: [image]", "models.m.modalities: must include text"),
        ("modalities: [text, sound]", "models.m.modalities"),
        ("tools: maybe", "models.m.tools"),
        ("tools: false, custom_tools: true", "models.m.custom_tools: must not be true where tools is false"),
    ],
)
def test_keys_that_make_no_sense_are_named(keys: str, message: str) -> None:
    """The error names the key."""
    with pytest.raises(PolicyError, match=message):
        spec_of(f"{PLAIN}, {keys}")
