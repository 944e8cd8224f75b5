"""Write the tables of the docs that are made from the code: `make pages`.

docs/guides/write-a-client.md gets every reason with its statuses and what a caller does, docs/guides/write-a-policy.md every key of the
policy with what it takes.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway import errors
from gateway.client.hints import ADVICE
from gateway.dispatch.failure_summary import code_of
from gateway.policy.loading.schema import json_schema
from gateway.types import Decision, PrivacyClass, Reason, Scores

DOCS = Path(__file__).resolve().parents[1] / "docs"
END = "\n<!-- end -->"
_DEFAULT_OF_SECTION = re.compile(r" ?Default: [\[{].*[\]}]\.$")


def write_table(page: str, name: str, table: str) -> str:
    """Return the page with the table of this name made anew; raises ValueError where it has no place."""
    before, begin, rest = page.partition(f"<!-- {name}: make pages -->\n")
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no place for the table {name}")
    return before + begin + table + end + after


def reasons_table() -> str:
    """Return a row for each reason: the statuses that carry it to a caller, and what that one does."""
    rows = [
        f"| `{reason}` | {', '.join(sorted(_statuses(reason))) or 'none: in `attempts`'} | {ADVICE[reason]} |"
        for reason in Reason
    ]
    return "\n".join(["| reason | status | what the caller does |", "|---|---|---|", *rows])


def _statuses(reason: Reason) -> set[str]:
    """Return the statuses with which a reason reaches a caller that declined a canned reply."""
    kinds = [kind for kind in _tree(errors.GatewayError) if kind.reason is reason]
    statuses = {kind.code for kind in kinds if _ends_a_request(kind)}
    if reason in _SUMMED_UP or any(_is_summed_up(kind) for kind in kinds):
        statuses |= {code_of(reason, _decision(chain)) for chain in ((), ("model",))}
    return statuses


def _tree(kind: type[errors.GatewayError]) -> Iterator[type[errors.GatewayError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def _ends_a_request(kind: type[errors.GatewayError]) -> bool:
    """Whether the error itself reaches a caller."""
    if issubclass(kind, errors.AttemptError):
        return not kind.fallback or kind is errors.StreamTruncated
    return kind is not errors.NotDegraded


def _is_summed_up(kind: type[errors.GatewayError]) -> bool:
    """Whether `NotDegraded` takes its reason from errors of this kind."""
    return issubclass(kind, errors.AttemptError) and kind.fallback and kind.reason is not Reason.INTERNAL


_SUMMED_UP = {Reason.CLEARANCE, Reason.ALL_FAILED, Reason.DEADLINE, Reason.CONTENT_FILTERED}
"""Reasons of `NotDegraded` that are a filter's, the sum of several, or a matter of the policy."""


def _decision(chain: tuple[str, ...]) -> Decision:
    return Decision(
        scores=Scores(complexity=0.0, privacy=0.0, budget=0.0),
        privacy_class=PrivacyClass.PUBLIC,
        privacy_reason="",
        findings=(),
        rule="",
        rule_errors=(),
        chain=chain,
        refused=(),
        policy_hash="",
    )


def keys_table() -> str:
    """Return a row for each key of the policy, in the order of the model: path, values, meaning."""
    schema: Mapping[str, Any] = json_schema()
    rows = [
        f"| `{path}` | {_values(key, schema)} | {required}{_meaning(key, schema)} |"
        for path, key, required in _keys(schema, schema, "")
    ]
    return "\n".join(["| key | takes | meaning |", "|---|---|---|", *rows])


def _meaning(key: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return a key's description; the default of a section is the sum of its keys' and is left out."""
    described = _DEFAULT_OF_SECTION.sub("", key.get("description", "")).strip()
    return (described or str(_resolve(key, schema).get("description", ""))).replace("|", "\\|")


def _keys(
    part: Mapping[str, Any], schema: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield path, schema and the word for a required key, of a part and of what is inside it."""
    for name, key in part.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, key, "**Required.** " if name in part.get("required", ()) else ""
        for inner, suffix in _inside(key, schema):
            yield from _keys(inner, schema, f"{path}{suffix}")


def _inside(key: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the parts of which a key is made, and what their keys' paths have in between."""
    if "items" in key:
        yield from ((inner, f"[]{suffix}") for inner, suffix in _inside(key["items"], schema))
    elif _entries(key):
        yield from ((inner, f".<name>{suffix}") for inner, suffix in _inside(_entries(key), schema))
    elif "oneOf" in key:
        for choice in key["oneOf"]:
            inner = _resolve(choice, schema)
            yield inner, f"{{{inner['properties']['kind']['const']}}}."
    else:
        inner = _resolve(key, schema)
        if "properties" in inner:
            yield inner, "."


def _entries(key: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a map's values; empty for what is no map."""
    named = key.get("patternProperties") or {"": key.get("additionalProperties")}
    (value,) = named.values()
    return value if isinstance(value, Mapping) else {}


def _resolve(key: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = key.get("$ref")
    if reference is None:
        return key
    found: Mapping[str, Any] = schema["$defs"][str(reference).rpartition("/")[2]]
    return found


def _values(key: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return in a few words what a key takes."""
    part = _resolve(key, schema)
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        many = len(part["enum"]) > 8
        return (
            f"one of {len(part['enum'])} names" if many else ", ".join(f"`{each}`" for each in part["enum"])
        )
    if "anyOf" in part:
        return " or ".join(_values(choice, schema) for choice in part["anyOf"])
    if "items" in part:
        return f"list of {_values(part['items'], schema)}"
    if _entries(part):
        return "map"
    if "oneOf" in part:
        return "model"
    return str(part.get("type", "section")).replace("object", "section").replace("boolean", "true, false")


PAGES: Mapping[str, Mapping[str, Any]] = {
    "guides/write-a-client.md": {"reasons": reasons_table},
    "guides/write-a-policy.md": {"keys": keys_table},
}
"""Page -> name of a table -> what makes it."""


def made(page: str) -> str:
    """Return a page with all its tables made anew."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, make in PAGES[page].items():
        text = write_table(text, name, make())
    return text


def main() -> None:
    """Write them all."""
    for page in PAGES:
        (DOCS / page).write_text(made(page), encoding="utf-8")


if __name__ == "__main__":
    main()
