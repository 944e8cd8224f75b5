"""Names by which callers ask for a model."""

import pytest

from gateway.errors import PolicyError
from gateway.policy.aliases import ModelNames
from gateway.policy.diff.loosening import loosened
from gateway.policy.diff.restart import needs_restart
from gateway.policy.loading.load import parse_policy

NAMES = ModelNames(
    frozenset({"edge", "cloud"}),
    {"gpt-4o": "auto", "gpt-*": "cloud", "gpt-4*": "edge", "*-mini": "edge", "fast": "edge", "a*a": "cloud"},
)
POLICY = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: m, clearance: internal, price_per_million_usd: {input: 1, output: 1}}
aliases: %s
rules: [{name: default, route: [edge, cloud]}]
replies: [{id: sorry, text: x}]
"""


@pytest.mark.parametrize(
    ("asked", "entry", "model"),
    [
        ("", "", ""),
        ("auto", "", ""),
        ("edge", "edge", "edge"),
        ("gpt-4o", "gpt-4o", ""),
        ("gpt-4.1", "gpt-4*", "edge"),
        ("gpt-5", "gpt-*", "cloud"),
        ("gpt-4o-mini", "*-mini", "edge"),
        ("fast", "fast", "edge"),
        ("faster", None, None),
        ("aa", "a*a", "cloud"),
        ("a", None, None),
        ("gpt-5 please", None, None),
        ("gpt-\n5", None, None),
        ("claude", None, None),
        ("AUTO", None, None),
    ],
)
def test_what_a_name_means(asked: str, entry: str | None, model: str | None) -> None:
    """An exact name goes before a pattern, a longer pattern before a shorter; what is no name fits none."""
    assert (NAMES.entry(asked), NAMES.model(asked)) == (entry, model)


@pytest.mark.parametrize("asked", ["", "auto", "edge", "gpt-4o", "gpt-4.1", "gpt-5", "a-mini", "aba"])
def test_the_entry_means_what_the_name_means(asked: str) -> None:
    """So that a record that keeps the entry is decided alike."""
    entry = NAMES.entry(asked)
    assert entry is not None
    assert (NAMES.entry(entry), NAMES.model(entry)) == (entry, NAMES.model(asked))


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("{fast: edgy}", r"aliases.fast: no model is called 'edgy' \(did you mean 'edge'\?\)"),
        ("{edge: auto}", "aliases.edge: is the name of a model already"),
        ("{auto: edge}", "aliases.auto: is the name for any model"),
        ('{"a*b*": edge}', r"aliases.a\*b\*: .* at most one \*"),
        ('{"two words": edge}', "aliases.two words: must be letters"),
        ("{fast: 3}", "aliases.fast: must be text"),
        ("[fast]", "aliases: must be a mapping"),
    ],
)
def test_a_wrong_entry_is_named(aliases: str, message: str) -> None:
    """The error says which alias, and why."""
    with pytest.raises(PolicyError, match=f"p:5: {message}"):
        parse_policy(POLICY % aliases, name="p")


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("[edgy]", r"keys.ci.models\[0\]: no model or alias is called 'edgy' \(did you mean 'edge'\?\)"),
        ("[edge, auto]", r"keys.ci.models\[1\]: 'auto' is any model of the route, which narrows nothing"),
        ("[any]", r"keys.ci.models\[0\]: 'any' is any model of the route"),
        ("[]", r"keys.ci.models: must not be empty"),
    ],
)
def test_a_key_is_narrowed_to_models_that_there_are(models: str, message: str) -> None:
    """By name or alias; what narrows nothing is no entry, since it looks as if it did."""
    text = POLICY % f"{{any: auto}}\nkeys: {{ci: {{models: {models}}}}}"
    with pytest.raises(PolicyError, match=f"p:6: {message}"):
        parse_policy(text, name="p")


def test_no_model_is_called_auto() -> None:
    """It would never be the only one that is asked for."""
    with pytest.raises(PolicyError, match=r"models\.auto: is the name for any model"):
        parse_policy((POLICY % "{}").replace("cloud", "auto"), name="p")


def test_aliases_are_part_of_the_policy_and_never_looser() -> None:
    """They change the hash, are in the effective policy, and neither widen it nor need a restart."""
    before = parse_policy(POLICY % "{fast: edge}", name="p")
    after = parse_policy(POLICY % '{fast: cloud, "claude-*": auto}', name="p")
    assert before.hash != after.hash
    assert "claude-*: auto" in after.effective_yaml
    assert loosened(before, after) == loosened(after, before) == []
    assert list(needs_restart(before, after)) == []
