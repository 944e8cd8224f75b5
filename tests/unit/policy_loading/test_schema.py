"""The schema that editors read, the manual in `policies/default.yaml`, and every policy that ships."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from gateway.policy import source
from gateway.policy.loading.document import read_document
from gateway.policy.loading.load import load_policy, parse_policy
from gateway.policy.loading.schema import json_schema, main
from tests.support.repository import ROOT

POLICIES = ROOT / "policies"
SCHEMA: dict[str, Any] = json_schema()
LLAMA_CPP, OPENAI = "LlamaCppModel", "OpenAIModel"
Key = tuple[str, str]
"""A definition of the schema and one of its keys; the definition of the whole file is ''."""


def keys_of_schema() -> dict[Key, Mapping[str, Any]]:
    """Return every key that a policy may have, with its schema."""
    definitions = {"": SCHEMA, **SCHEMA["$defs"]}
    keys = {
        (name, key): schema
        for name, definition in definitions.items()
        for key, schema in definition.get("properties", {}).items()
    }
    # What both kinds of model have in common is one key, and is explained once.
    shared = [key for key in keys if key[0] == OPENAI and keys[key] == keys.get((LLAMA_CPP, key[1]))]
    return {key: schema for key, schema in keys.items() if key not in shared}


def keys_of_policy(
    value: object, name: str = "", path: source.Path = ()
) -> Iterator[tuple[source.Path, Key]]:
    """Yield every key of a policy with the key of the schema that describes it."""
    properties = {key: schema for (where, key), schema in keys_of_schema().items() if where == name}
    for key, each in value.items() if isinstance(value, dict) else ():
        yield (*path, key), (name, key) if key in properties else (LLAMA_CPP, key)
        if key == "models":
            for model, spec in each.items():
                kind = {"llama_cpp": LLAMA_CPP, "openai": OPENAI}[spec["kind"]]
                yield from keys_of_policy(spec, kind, (*path, key, model))
        elif key in properties and isinstance(each, list):
            for index, item in enumerate(each):
                inner = definition_of(properties[key]["items"], item)
                yield from keys_of_policy(item, inner, (*path, key, index))
        elif inner := reference_of(properties.get(key, {})):
            yield from keys_of_policy(each, inner, (*path, key))


def definition_of(schema: Mapping[str, Any], item: Any) -> str:
    """Return the name of the definition of an item: by its kind, where a list takes several."""
    for name in map(reference_of, schema.get("oneOf", ())):
        if SCHEMA["$defs"][name]["properties"]["kind"]["const"] == item["kind"]:
            return name
    return reference_of(schema)


def reference_of(schema: Mapping[str, Any]) -> str:
    """Return the name of the definition that a schema refers to; '' for none."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def manual() -> str:
    """Return the default policy with everything that is commented out set: `#key`, where prose has `# `."""
    text = (POLICIES / "default.yaml").read_text(encoding="utf-8")
    return re.sub(r"^( *)#(?=[^ #\n])", r"\1", text, flags=re.MULTILINE)


def test_the_schema_file_is_what_the_model_says(capsys: pytest.CaptureFixture[str]) -> None:
    """`policies/schema.json` is generated, and current."""
    main()
    assert (POLICIES / "schema.json").read_text(encoding="utf-8") == capsys.readouterr().out


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
    jsonschema_rs.validate(SCHEMA, YAML(typ="safe", pure=True).load(text))
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
    text = (POLICIES / "default.yaml").read_text(encoding="utf-8")
    assert old in text
    broken = YAML(typ="safe", pure=True).load(text.replace(old, new, 1))
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, broken)


def test_the_manual_is_a_policy_with_every_key_there_is() -> None:
    """With every comment sign of a key taken away, the default policy loads and leaves no key out."""
    parse_policy(manual(), name="default.yaml")
    document = read_document(manual())
    assert {key for _, key in keys_of_policy(document.value)} == set(keys_of_schema())


def test_the_manual_tells_default_and_range_of_every_key_as_they_are() -> None:
    """The comment above the first use of a key ends with a line on it that agrees with the schema."""
    document, lines = read_document(manual()), manual().splitlines()
    schemas, seen = keys_of_schema(), set[Key]()
    for path, key in keys_of_policy(document.value):
        if key in seen:
            continue
        seen.add(key)
        above = lines[document.line_of(path) - 2].strip()
        assert re.match(r"# (required|optional)\b", above), (path, above)
        assert_agrees(above, key, schemas[key])


def assert_agrees(comment: str, key: Key, schema: Mapping[str, Any]) -> None:
    """Fail unless a comment line says of a key what its schema does."""
    definition = {"": SCHEMA, **SCHEMA["$defs"]}[key[0]]
    if key[1] in definition.get("required", ()):
        assert comment.startswith("# required"), key
    default = re.search(r"default: ([^;]+)", comment)
    if "default" in schema and not isinstance(schema["default"], dict):
        written = json.dumps(schema["default"])
        if key[1] not in {"when_reason"}:  # Its default is the mark of the last reply.
            assert default is not None, key
            assert (
                float(default[1]) == schema["default"] if written[0].isdigit() else default[1] in written
            ), key
    if "maximum" in schema:
        stated = re.search(r"range: (?:(above )?(\S+) to )?(\S+)$", comment)
        assert stated is not None, (key, comment)
        assert float(stated[3]) == schema["maximum"], key
        if stated[2]:
            low = "exclusiveMinimum" if stated[1] else "minimum"
            assert float(stated[2]) == schema[low], key
