"""Prepares a JSON schema for llguidance: drops what says nothing, refuses what cannot be held to.

Every answer is valid under the schema. The grammar may allow less than the schema: members that are not
listed come only where `additionalProperties` or `patternProperties` asks for them, and numbers have bounded
digits.
"""

import json
from typing import cast

from llguidance import LLMatcher

from gateway.domain.text.schema_bounds import AT_THE_EDGE, strict_json, wrapper_problem
from gateway.engine.grammar.disjoint import are_exclusive, conjuncts
from gateway.engine.grammar.schema import IN_PLACE, JsonValue, Schema, SchemaBudget, asserting, resolve
from gateway.engine.grammar.schema_rules import MAX_NUMBER, Beside, exact_keywords
from gateway.engine.interfaces import GrammarRefused

MAX_NESTED = 64
"""Most levels of nesting, counting references."""
_OPTIONS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""White space without bounds would let a model fill its answer with it; a choice of none forces more."""
ANY = "any"
"""The definition of a value without a bound; others have numbers."""
_ANY_VALUE: Schema = {
    "anyOf": [
        {"type": kind} for kind in ("object", "array", "string", "integer", "number", "boolean", "null")
    ]
}


def grammar_of(schema: str) -> str:
    """Return an llguidance grammar whose texts are all valid under a JSON schema; raises GrammarRefused."""
    return LLMatcher.grammar_from_json_schema(prepared_schema(schema))


def prepared_schema(schema: str) -> str:
    """Return a JSON schema as llguidance takes it, also behind `%json` in Lark; raises GrammarRefused."""
    problem = AT_THE_EDGE.problem(schema)
    if problem:
        raise GrammarRefused(problem)
    try:
        root = cast(JsonValue, strict_json(schema))
    except (ValueError, RecursionError):
        raise GrammarRefused("is not JSON") from None
    if not isinstance(root, dict) and root is not True:
        raise GrammarRefused("a schema must be an object or true")
    if isinstance(root, dict) and (problem := wrapper_problem({**root})):
        raise GrammarRefused(problem)
    return json.dumps({**_Rewriter(root).whole(), "x-guidance": _OPTIONS}, ensure_ascii=False)


class _Rewriter:
    """Rewrites a schema and all that it refers to in llguidance's terms."""

    def __init__(self, root: JsonValue) -> None:
        self._root = root
        self._budget = SchemaBudget()
        self._depth = 0
        self._names: dict[tuple[str, Beside | None], str] = {}
        self._defs: Schema = {}

    def whole(self) -> Schema:
        """Return the rewritten schema, with its own `$defs`."""
        found = self._rewrite(self._root)
        return {**(found if isinstance(found, dict) else {}), "$defs": self._defs}

    def _rewrite(self, schema: JsonValue, beside: Beside | None = None) -> JsonValue:
        """Return a schema rewritten; `beside`: what else restricts the same value."""
        if schema is False:
            return schema
        if _says_nothing(schema):
            return self._anything() if beside is None else True
        if not isinstance(schema, dict):
            raise GrammarRefused("a schema must be an object, true or false")
        self._depth += 1
        if self._depth > MAX_NESTED:
            raise GrammarRefused(f"is nested deeper than {MAX_NESTED}")
        found = asserting(schema)
        self._budget.spend(
            1 + sum(len(part) for part in found.values() if isinstance(part, (list, dict))) // 16
        )
        options = found.get("oneOf")
        if isinstance(options, list) and not are_exclusive(options, self._root, self._budget):
            raise GrammarRefused("oneOf is supported only if no two options can both hold; write anyOf")
        several = len(cast("list[JsonValue]", found.get("allOf", []))) > 1
        if IN_PLACE & found.keys() and (len(found) > 1 or several):
            outer, beside = beside, self._beside(found, beside)
            if outer is None:
                found = self._bounded(found, beside)
        found = exact_keywords(found, beside)
        if not found and beside is None:
            return self._anything()
        result = {keyword: self._part(keyword, value, beside) for keyword, value in found.items()}
        self._depth -= 1
        return result

    def _part(self, keyword: str, value: JsonValue, beside: Beside | None) -> JsonValue:
        """Return the value of a keyword, with the schemas in it rewritten."""
        if keyword == "$ref":
            return self._reference(str(value), beside)
        if isinstance(value, list) and keyword in ("anyOf", "allOf"):
            return [self._rewrite(each, beside) for each in value]
        if isinstance(value, list) and keyword == "prefixItems":
            return [self._inner(each, beside) for each in value]
        if keyword in ("items", "additionalProperties"):
            return self._inner(value, beside)
        if isinstance(value, dict) and keyword in ("properties", "patternProperties"):
            return {name: self._inner(each, beside) for name, each in value.items()}
        return value

    def _inner(self, schema: JsonValue, beside: Beside | None) -> JsonValue:
        """Return the schema of a member or item; of "anything", only where nothing else restricts it."""
        if schema is _ANY_VALUE:
            return self._anything()
        return True if _says_nothing(schema) and beside is not None else self._rewrite(schema)

    def _bounded(self, found: Schema, beside: Beside) -> Schema:
        """Return the first of several parts, such that it bounds the numbers where no part says anything."""
        parts = conjuncts(found, self._root, self._budget)
        if not any({"type", "const", "enum"} & part.keys() for part in parts):
            found = {"minimum": -MAX_NUMBER, "maximum": MAX_NUMBER, **found}
        if all(_says_nothing(part.get("items", True)) for part in parts) and "unevaluatedItems" not in found:
            found["items"] = _ANY_VALUE
        properties = cast(Schema, found.get("properties", {}))
        if beside.names and not beside.is_open:
            found["properties"] = {**properties, **dict.fromkeys(beside.free, _ANY_VALUE)}
            return found
        if "unevaluatedProperties" in found:
            return found
        found.setdefault("additionalProperties", True)
        for keyword in {"properties", "patternProperties"} & found.keys():
            members = cast(Schema, found[keyword])
            found[keyword] = {name: _or_any(each) for name, each in members.items()}
        return {**found, "additionalProperties": _or_any(found["additionalProperties"])}

    def _reference(self, reference: str, beside: Beside | None) -> str:
        key = (reference, beside)
        if key not in self._names:
            name = self._names[key] = str(len(self._names))
            self._defs[name] = self._rewrite(resolve(self._root, reference), beside)
        return f"#/$defs/{self._names[key]}"

    def _beside(self, schema: Schema, beside: Beside | None) -> Beside:
        """Return the members that the parts of a schema list, and whether one of them allows others."""
        names, is_open = (set(beside.names), beside.is_open) if beside else (set(), False)
        free = set[str]()
        left: list[JsonValue] = [schema]
        seen = set[str]()
        while left:
            part = left.pop()
            if not isinstance(part, dict):
                continue
            part = asserting(part)
            self._budget.spend()
            listed = cast(Schema, part.get("properties", {}))
            names |= {name for name, each in listed.items() if not _says_nothing(each)}
            free |= listed.keys()
            free |= {*cast("list[str]", part.get("required", []))}
            is_open |= not isinstance(part.get("additionalProperties", True), bool)
            is_open |= bool({"patternProperties", "propertyNames"} & part.keys())
            left += [
                each
                for key in ("allOf", "anyOf", "oneOf")
                for each in cast("list[JsonValue]", part.get(key, []))
            ]
            reference = str(part.get("$ref", ""))
            if reference and reference not in seen:
                seen.add(reference)
                left.append(resolve(self._root, reference))
        parts = conjuncts(schema, self._root, self._budget)
        return Beside(
            names=frozenset(names | free),
            free=frozenset(free - names),
            is_open=is_open,
            is_listed=(beside is not None and beside.is_listed)
            or any({"const", "enum"} & part.keys() for part in parts),
        )

    def _anything(self) -> JsonValue:
        """Return a schema of any value, whose numbers have bounded digits too."""
        if ANY not in self._defs:
            self._defs[ANY] = True
            self._defs[ANY] = self._rewrite(_ANY_VALUE)
        return {"$ref": f"#/$defs/{ANY}"}


def _says_nothing(schema: JsonValue) -> bool:
    """Whether a schema allows every value; 1, which equals True, is no schema."""
    return schema is True or schema == {}


def _or_any(schema: JsonValue) -> JsonValue:
    return _ANY_VALUE if _says_nothing(schema) else schema
