"""The keywords of one schema in llguidance's terms; refuses by keyword what cannot be held to."""

from dataclasses import dataclass
from math import ceil, inf, log10
from typing import cast

from gateway.engine.grammar.patterns import FORMATS, UNSUPPORTED_FORMATS, rust_pattern
from gateway.engine.grammar.schema import IN_PLACE, KEYWORDS, JsonValue, Schema, with_meant_kinds
from gateway.engine.interfaces import GrammarRefused


@dataclass(frozen=True, slots=True)
class Beside:
    """What else restricts the same value, as the parts of an `allOf` do."""

    names: frozenset[str]
    """Members that all of it lists or requires."""
    free: frozenset[str]
    """Those of which it says nothing else."""
    is_open: bool
    """Whether a part of it says of what kind other members are."""
    is_listed: bool
    """Whether all its values are listed, by `const` or `enum`."""


MAX_REPEATS = {"minLength": 100_000, "minItems": 1000, "minProperties": 1000}
"""Largest lower bound of each length; a larger upper bound is lowered to it."""
MAX_NUMBER = 10**16 - 1
"""Largest number without a bound of its own: what a double holds, so that an answer cannot be all digits."""
MAX_MULTIPLE = 10_000
"""Largest `multipleOf`, in units of its last decimal: the automaton has as many states."""
_FINEST = 1e-9
"""Smallest difference between two numbers, which bounds their decimals."""
_INTEGERS = {"int32": 2**31 - 1, "int64": MAX_NUMBER}
"""Formats of OpenAPI that bound an integer."""
_REFUSED = (
    "not", "if", "$dynamicRef", "$recursiveRef", "contains", "dependentSchemas", "dependencies",
)  # fmt: skip


def exact_keywords(found: Schema, beside: Beside | None) -> Schema:
    """Return keywords whose values are all valid under the given ones; raises GrammarRefused."""
    found = with_meant_kinds(found)
    if "type" in found:
        found = _relevant(found)
    if "if" in found and not {"then", "else"} & found.keys():
        found.pop("if")
    if unsupported := next((keyword for keyword in _REFUSED if keyword in found), None):
        raise GrammarRefused(f"{unsupported} is not supported here")
    for keyword in ("then", "else"):
        found.pop(keyword, None)
    for rule in (_strings, _numbers, _arrays, _objects):
        found = rule(found, beside)
    if "oneOf" in found:  # At most one of them holds: `disjoint`.
        options = found.pop("oneOf")
        found = _with_part(found, {"anyOf": options}) if "anyOf" in found else {**found, "anyOf": options}
    return found


def _kinds(found: Schema) -> set[str]:
    kinds = found.get("type", [])
    return {str(kind) for kind in kinds} if isinstance(kinds, list) else {str(kinds)}


def _relevant(found: Schema) -> Schema:
    """Return the keywords that restrict values of the given types."""
    kinds = _kinds(found) | ({"number"} if "integer" in _kinds(found) else set())
    others = {keyword for kind, group in KEYWORDS.items() if kind and kind not in kinds for keyword in group}
    if "number" in kinds:
        others.discard("format")
    return {keyword: value for keyword, value in found.items() if keyword not in others}


def _with_part(found: Schema, part: Schema) -> Schema:
    """Return the keywords with one more schema that must hold."""
    return {**found, "allOf": [*cast("list[JsonValue]", found.get("allOf", [])), part]}


def _bounds(found: Schema, least_key: str, most_key: str) -> Schema:
    """Return the keywords with lengths that are integers and within limits."""
    found = dict(found)
    if least_key in found:
        found[least_key] = least = int(cast(float, found[least_key]))
        if least > MAX_REPEATS[least_key]:
            raise GrammarRefused(f"{least_key} must be at most {MAX_REPEATS[least_key]}")
    if most_key in found:
        found[most_key] = min(int(cast(float, found[most_key])), MAX_REPEATS[least_key])
    return found


def _strings(found: Schema, beside: Beside | None) -> Schema:
    found = _bounds(found, "minLength", "maxLength")
    if "pattern" in found:
        found["pattern"] = rust_pattern(str(found["pattern"]))
    name = str(found.get("format", ""))
    if name in UNSUPPORTED_FORMATS:
        raise GrammarRefused("format: this one is not supported here")
    if name in FORMATS:
        found.pop("format")
        pattern = f"^({FORMATS[name]})$"
        return (
            _with_part(found, {"pattern": pattern}) if "pattern" in found else {**found, "pattern": pattern}
        )
    if "integer" not in _kinds(found):
        found.pop("format", None)  # An unknown format is ignored, as the standard says.
    return found


def _numbers(found: Schema, beside: Beside | None) -> Schema:
    name = str(found.pop("format", ""))
    found = dict(found)
    step = found.get("multipleOf")
    if step is not None and not 0 < _units(cast(float, step)) <= MAX_MULTIPLE:
        raise GrammarRefused(f"multipleOf must have at most {MAX_MULTIPLE} units of its last decimal")
    is_listed = bool({"const", "enum"} & found.keys()) or (beside is not None and beside.is_listed)
    if is_listed or not {"integer", "number"} & _kinds(found):
        return found
    most = _INTEGERS.get(name, MAX_NUMBER)
    low = max(
        (cast(float, found[key]) for key in ("minimum", "exclusiveMinimum") if key in found), default=-most
    )
    high = min(
        (cast(float, found[key]) for key in ("maximum", "exclusiveMaximum") if key in found), default=most
    )
    if low <= most and (name in _INTEGERS or not {"maximum", "exclusiveMaximum"} & found.keys()):
        found["maximum"] = min(most, cast(float, found.get("maximum", most)))
    if high >= -most and (name in _INTEGERS or not {"minimum", "exclusiveMinimum"} & found.keys()):
        found["minimum"] = max(-most, cast(float, found.get("minimum", -most)))
    if "number" in _kinds(found):
        found = _inclusive(found)
        # One number alone has no more decimals, and llguidance finds it by a division with a remainder.
        if found.get("minimum", -inf) != found.get("maximum", inf):
            found.setdefault("multipleOf", _FINEST)
    return found


def _inclusive(found: Schema) -> Schema:
    """Return bounds of a number that are allowed themselves, the next number of nine decimals in each.

    llguidance 1.9.1 allows 0 above an exclusiveMinimum of 0 where the maximum is below 1, and its like.
    """
    least, most = found.pop("exclusiveMinimum", None), found.pop("exclusiveMaximum", None)
    if least is not None:
        found["minimum"] = max(_next(cast(float, least), 1), cast(float, found.get("minimum", -inf)))
    if most is not None:
        found["maximum"] = min(_next(cast(float, most), -1), cast(float, found.get("maximum", inf)))
    return found


def _next(bound: float, direction: int) -> float:
    """Return the next number that differs from a bound, at 15 digits; upwards for a direction of 1."""
    decimals = min(9, 14 - ceil(log10(max(1.0, abs(bound)))))
    return round(bound + direction * 10.0**-decimals, decimals)


def _units(step: float) -> float:
    """Return a number without its decimal point."""
    digits = f"{step:.12f}".rstrip("0").rstrip(".")
    return float(digits.replace(".", "")) if float(digits) == step else 0.0


def _arrays(found: Schema, beside: Beside | None) -> Schema:
    found = _bounds(found, "minItems", "maxItems")
    if found.pop("uniqueItems", False) and cast(int, found.get("maxItems", 2)) > 1:
        raise GrammarRefused("uniqueItems is not supported here")
    if isinstance(found.get("items"), list):  # As before the draft of 2020.
        found["prefixItems"] = found.pop("items")
        if "additionalItems" in found:
            found["items"] = found["additionalItems"]
    found.pop("additionalItems", None)
    unevaluated = found.pop("unevaluatedItems", True)
    if unevaluated is not True and "items" not in found:
        if IN_PLACE & found.keys():
            raise GrammarRefused("unevaluatedItems is not supported here")
        found["items"] = unevaluated
    if "array" in _kinds(found) and "items" not in found:
        first = cast("list[JsonValue]", found.get("prefixItems", []))
        # More items are allowed behind the first ones, but not required.
        found["items"] = beside is not None or not first or cast(int, found.get("minItems", 0)) > len(first)
    return found


def _objects(found: Schema, beside: Beside | None) -> Schema:
    found = _bounds(found, "minProperties", "maxProperties")
    dependents = cast("dict[str, list[str]]", found.pop("dependentRequired", {})).values()
    required = dict.fromkeys(cast("list[str]", found.get("required", [])))
    required |= dict.fromkeys(name for names in dependents for name in names)
    if required:
        found["required"] = cast(JsonValue, [*required])
    unevaluated = found.pop("unevaluatedProperties", True)
    if unevaluated is not True and "additionalProperties" not in found:
        if IN_PLACE & found.keys():
            raise GrammarRefused("unevaluatedProperties is not supported here")
        found["additionalProperties"] = unevaluated
    if "patternProperties" in found:
        patterns = cast(Schema, found["patternProperties"])
        found["patternProperties"] = {rust_pattern(name): each for name, each in patterns.items()}
    if "propertyNames" in found:
        found = _named(found)
    if beside is not None and found.get("additionalProperties") is True:
        found.pop("additionalProperties")
    if "object" in _kinds(found) and "additionalProperties" not in found:
        found = _closed(found, beside)
    return _counted(found)


def _named(found: Schema) -> Schema:
    """Return an object without `propertyNames`: as names of members, or as a pattern of names."""
    names = found.pop("propertyNames")
    others = found.get("additionalProperties", True)
    listed = cast(Schema, found.get("properties", {}))
    if "patternProperties" in found or not isinstance(names, dict):
        raise GrammarRefused("propertyNames is supported only as an object, without patternProperties")
    given = names.keys() & {keyword for group in KEYWORDS.values() for keyword in group} - {"type"}
    values = names.get("enum", [names["const"]] if "const" in names else None)
    if isinstance(values, list) and given <= {"enum", "const"}:
        members: Schema = {name: listed.get(name, others) for name in values if isinstance(name, str)}
        return {**found, "properties": members, "additionalProperties": False}
    if listed or given - {"pattern", "minLength", "maxLength"} or len(given) > 1 + ("pattern" not in given):
        raise GrammarRefused("propertyNames is supported only with enum, const, pattern or a length")
    if not given:
        return found
    most = names.get("maxLength", "")
    pattern = names.get("pattern", rf"^[\s\S]{{{names.get('minLength', 0)},{most}}}$")
    members = {rust_pattern(str(pattern)): others}
    return {**found, "patternProperties": members, "additionalProperties": False}


def _closed(found: Schema, beside: Beside | None) -> Schema:
    """Return an object whose members are listed, or match a pattern, or may be any if none are."""
    listed = cast(Schema, found.get("properties", {}))
    names = [*cast("list[str]", found.get("required", [])), *(sorted(beside.names) if beside else [])]
    if beside is not None and (beside.is_open or not beside.names):
        return found
    if not listed and not names and "patternProperties" not in found:
        return {**found, "additionalProperties": True}
    if "patternProperties" in found and not names:
        return {**found, "additionalProperties": False}
    members = {**listed, **{name: {} if beside is None else True for name in names if name not in listed}}
    return {**found, "properties": members, "additionalProperties": False}


def _counted(found: Schema) -> Schema:
    """Return an object with a bounded number of members: as many of the listed ones as the bounds allow."""
    if not {"minProperties", "maxProperties"} & found.keys():
        return found
    listed = cast(Schema, found.get("properties", {}))
    required = cast("list[str]", found.get("required", []))
    least = cast(int, found.pop("minProperties", 0))
    most = cast("int | None", found.pop("maxProperties", None))
    if not listed and not required:
        if least > 1:  # A name may be repeated.
            raise GrammarRefused("minProperties above 1 is not supported here without properties")
        return {**found, "minProperties": least, **({} if most is None else {"maxProperties": most})}
    optional = [name for name, each in listed.items() if name not in required and each is not False]
    if least > len(required) + len(optional):
        raise GrammarRefused("minProperties above the number of properties is not supported here")
    needed = [*required, *optional[: max(0, least - len(required))]]
    if most is None:
        return {**found, "required": cast(JsonValue, needed)}
    if len(needed) > most:
        raise GrammarRefused("no value is valid under this schema")
    names = {*required, *optional[: most - len(required)]}
    others = found.get("additionalProperties", True)
    members = {name: listed.get(name, others) for name in [*listed, *required] if name in names}
    if "patternProperties" in found:
        raise GrammarRefused("maxProperties is not supported here with patternProperties")
    return {
        **found,
        "properties": members,
        "required": cast(JsonValue, needed),
        "additionalProperties": False,
    }
