"""The schema that editors read, the default policy, and every policy that ships."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from gateway.policy.loading.load import load_policy, parse_policy
from gateway.policy.loading.schema import json_schema
from tests.support.default_policy import SHIPPED, with_cloud
from tests.support.repository import ROOT

POLICIES = ROOT / "policies"
SCHEMA: dict[str, Any] = json_schema()
Key = tuple[str, str]
"""A definition of the schema and one of its keys; the definition of the whole file is ''."""


def keys_of_schema() -> dict[Key, Mapping[str, Any]]:
    """Return every key that a policy may have, with its schema."""
    return {
        (name, key): schema
        for name, definition in {"": SCHEMA, **SCHEMA["$defs"]}.items()
        for key, schema in definition.get("properties", {}).items()
    }


def loaded(text: str) -> Any:
    """Return what a YAML text holds."""
    return YAML(typ="safe", pure=True).load(text)


def test_the_schema_is_a_schema_that_explains_every_key() -> None:
    """An editor has a sentence for every key, and refuses the keys that the loader refuses."""
    jsonschema_rs.meta.validate(SCHEMA)
    for (name, key), schema in keys_of_schema().items():
        assert re.match(r"[A-Z].{10,}\.", schema["description"]), (name, key)
    for name, definition in {"": SCHEMA, **SCHEMA["$defs"]}.items():
        assert definition["type"] != "object" or definition["additionalProperties"] is False, name


def test_a_description_ends_with_range_and_default() -> None:
    """What the model knows of a key stands in its description too."""
    keys = keys_of_schema()
    assert keys["LlamaCppModel", "slots"]["description"] == (
        "Sequences that are decoded concurrently. Range: from 1 to 256. Default: 8."
    )
    assert keys["", "version"]["description"] == "The version of this format. Only 1."


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_policy_that_ships_loads_and_fits_the_schema(path: Path) -> None:
    """The loader takes each file, the schema agrees, and the editor finds the schema by the first line."""
    load_policy(path)
    text = path.read_text(encoding="utf-8")
    jsonschema_rs.validate(SCHEMA, loaded(text))
    assert text.splitlines()[0] == "# yaml-language-server: $schema=schema.json"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: llama_cpp", "kind: llama"),
        ("version: 1", "version: 2"),
        ("attempts: 3", "atempts: 3"),
        ("internal: 0.2", "internal: 1.2"),
        ("window: day", "window: ~"),
        ("limit_usd: 5.00", "limit_usd: '5'"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(old: str, new: str) -> None:
    """An editor marks the mistakes that a schema can see."""
    assert old in SHIPPED
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, loaded(SHIPPED.replace(old, new, 1)))


MODELS = """\
version: 1
models:
  edge:  {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud: {kind: openai, model: gpt-5-mini, clearance: internal, price_per_million_usd: {input: 1, output: 1}}
privacy: {entities: [{kind: model, model: edge}]}
rules: [{name: default, route: [edge]}]
replies: [{id: sorry, text: "Sorry."}]
"""


@pytest.mark.parametrize(
    ("old", "new", "where", "said"),
    [
        ("clearance: restricted", "clearance: restricted, slotz: 4", "models/edge", "'slotz' was unexpected"),
        ("clearance: internal", "clearance: internal, slots: 4", "models/cloud", "'slots' was unexpected"),
        (
            "kind: openai",
            "kind: opena",
            "models/cloud/kind",
            '"opena" is not one of "anthropic", "llama_cpp" or "openai"',
        ),
        ("kind: openai, ", "", "models/cloud", '"kind" is a required property'),
        ("model: edge", "model: edge, language: en", "privacy/entities/0", "'language' was unexpected"),
    ],
)
def test_an_editor_names_the_wrong_key_of_the_right_kind(old: str, new: str, where: str, said: str) -> None:
    """One mistake in one model is one message, at its place; the other kinds are not mentioned."""
    (error,) = jsonschema_rs.validator_for(SCHEMA).iter_errors(loaded(MODELS.replace(old, new)))
    assert "/".join(map(str, error.instance_path)) == where
    assert said in error.message


def test_the_default_policy_fits_two_screens() -> None:
    """It is to be read, not searched; the reference of all keys is generated."""
    assert len(SHIPPED.splitlines()) <= 100


def test_the_default_policy_has_a_cloud_and_a_backup_behind_comment_signs() -> None:
    """Without the `#` it loads, fits the schema, and asks the cloud for what is hard."""
    policy = parse_policy(with_cloud(), name="default.yaml")
    jsonschema_rs.validate(SCHEMA, loaded(with_cloud()))
    assert list(policy.models) == ["edge", "cloud", "backup"]
    routes = {rule.name: rule.route for rule in policy.rules}
    assert routes["hard"] == ("cloud", "backup", "edge")
    assert routes["easy"] == ("edge", "cloud", "backup")
    shipped = parse_policy(SHIPPED, name="default.yaml")
    assert list(shipped.models) == ["edge"]
    assert routes.keys() - {rule.name for rule in shipped.rules} == {"hard", "easy"}
    assert with_cloud().count("\n#") == SHIPPED.count("\n#"), "what is left of the top comments is prose"
