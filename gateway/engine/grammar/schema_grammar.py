"""Prepares a JSON schema for llguidance: drops what says nothing, refuses what cannot be held to.

Every answer is valid under the schema. The grammar may allow less than the schema: members that are not
listed come only where `additionalProperties` or `patternProperties` asks for them, and numbers have bounded
digits.
"""

import json
from typing import cast

from llguidance import LLMatcher

from gateway.domain.text.schema_bounds import AT_THE_EDGE, strict_json, wrapper_problem
from gateway.engine.grammar.matcher import LIMITS
from gateway.engine.grammar.schema import JsonValue, Schema, SchemaBudget, asserting, resolve
from gateway.engine.grammar.schema_rules import IN_PLACE, exact_keywords
from gateway.engine.interfaces import GrammarRefused

MAX_NESTED = 64
"""Most levels of nesting, counting references."""
_OPTIONS = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
"""Regular expressions. White space without bounds would let a model fill its answer with it."""
_OUTLINE = IN_PLACE | {
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "prefixItems",
}  # fmt: skip
"""Keywords that can make two options of a `oneOf` disjoint."""
_ANY = "any"
_ANY_VALUE: Schema = {
    "anyOf": [{"type": kind} for kind in ("object", "array", "string", "number", "boolean", "null")]
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
    rewriter = _Rewriter(root)
    prepared = rewriter.whole()
    if rewriter.has_one_of:
        _check_exclusive(_Rewriter(root, is_outline=True).whole())
    return json.dumps({**prepared, "x-guidance": _OPTIONS}, ensure_ascii=False)


def _check_exclusive(outline: Schema) -> None:
    """Raise GrammarRefused unless llguidance proves that at most one option of each `oneOf` can hold."""
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(outline))
    if "oneOf" in LLMatcher.validate_grammar(grammar, limits=LIMITS):
        raise GrammarRefused("oneOf is supported only if no two options can both hold; write anyOf")


class _Rewriter:
    """Rewrites a schema and all that it refers to in llguidance's terms.

    With `is_outline` it keeps only what shows that options of a `oneOf` exclude each other: a rewritten
    schema may allow less than the caller's, an outline never does.
    """

    def __init__(self, root: JsonValue, *, is_outline: bool = False) -> None:
        self._root = root
        self._is_outline = is_outline
        self._budget = SchemaBudget()
        self._depth = 0
        self._names: dict[tuple[str, bool], str] = {}
        self._defs: Schema = {}
        self.has_one_of = False

    def whole(self) -> Schema:
        """Return the rewritten schema, with its own `$defs`."""
        found = self._rewrite(self._root, is_whole=True)
        return {**(found if isinstance(found, dict) else {}), "$defs": self._defs}

    def _rewrite(self, schema: JsonValue, *, is_whole: bool) -> JsonValue:
        """Return a schema rewritten; `is_whole`: nothing else restricts the same value."""
        if schema is False or (schema is True and (self._is_outline or not is_whole)):
            return schema
        if schema is True or schema == {}:
            return self._anything()
        if not isinstance(schema, dict):
            raise GrammarRefused("a schema must be an object, true or false")
        self._depth += 1
        if self._depth > MAX_NESTED:
            raise GrammarRefused(f"is nested deeper than {MAX_NESTED}")
        found = asserting(schema)
        self._budget.spend(
            1 + sum(len(part) for part in found.values() if isinstance(part, (list, dict))) // 16
        )
        self.has_one_of |= "oneOf" in found
        if self._is_outline:
            found = {keyword: value for keyword, value in found.items() if keyword in _OUTLINE}
        else:
            found = exact_keywords(found, is_whole=is_whole)
        is_alone = is_whole and len(found) == 1 and len(cast("list[JsonValue]", found.get("allOf", []))) <= 1
        result = {keyword: self._part(keyword, value, is_alone) for keyword, value in found.items()}
        self._depth -= 1
        return result

    def _part(self, keyword: str, value: JsonValue, is_alone: bool) -> JsonValue:
        """Return the value of a keyword, with the schemas in it rewritten."""
        if keyword == "$ref":
            return self._reference(str(value), is_alone)
        if isinstance(value, list) and keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            return [self._rewrite(each, is_whole=is_alone or keyword == "prefixItems") for each in value]
        if keyword in ("items", "additionalProperties"):
            return self._rewrite(value, is_whole=True)
        if isinstance(value, dict) and keyword in ("properties", "patternProperties"):
            return {name: self._rewrite(each, is_whole=True) for name, each in value.items()}
        return value

    def _reference(self, reference: str, is_whole: bool) -> str:
        key = (reference, is_whole)
        if key not in self._names:
            name = self._names[key] = str(len(self._names))
            self._defs[name] = self._rewrite(resolve(self._root, reference), is_whole=is_whole)
        return f"#/$defs/{self._names[key]}"

    def _anything(self) -> JsonValue:
        """Return a schema of any value, whose numbers have bounded digits too."""
        if self._is_outline:
            return True
        if _ANY not in self._defs:
            self._defs[_ANY] = True
            self._defs[_ANY] = self._rewrite(_ANY_VALUE, is_whole=True)
        return {"$ref": f"#/$defs/{_ANY}"}
