"""Checks of the values and patterns that an operator adds to the detectors."""

from collections.abc import Iterator
from typing import get_args

from gateway.domain.text.pattern import refuse_pattern
from gateway.policy.model import ExtraPattern, FindingType, PrivacyPolicy
from gateway.privacy.detectors.defaults import UNREADABLE

MAX_INSTRUCTIONS = 2_000
"""The most RE2 instructions of a compiled pattern; ordinary patterns have fewer, `(\\w{1,500}x){2}` more."""

_FIXED = frozenset(get_args(FindingType))


def check_detection(privacy: PrivacyPolicy) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the path and the message of each error."""
    denied = {value.casefold() for value in privacy.deny}
    for index, value in enumerate(privacy.allow):
        if value.casefold() in denied:
            yield ("privacy", "allow", index), "is also in privacy.deny; remove it from one of them"
    first_use: dict[str, tuple[int, tuple[object, object]]] = {}
    for index, pattern in enumerate(privacy.patterns):
        path = ("privacy", "patterns", index)
        if problem := refuse_pattern(pattern.regex, most_instructions=MAX_INSTRUCTIONS):
            yield (*path, "regex"), problem
        for key, message in _check_name(pattern, index, first_use):
            yield (*path, key), message


def _check_name(
    pattern: ExtraPattern, index: int, first_use: dict[str, tuple[int, tuple[object, object]]]
) -> Iterator[tuple[str, str]]:
    """Yield the errors of weight and floor: all patterns of a type must agree on them."""
    if pattern.name == UNREADABLE:
        yield "name", "is the type of what no detector reads; take another one"
    own = (pattern.weight, pattern.floor)
    if pattern.name in _FIXED:
        for key, value in zip(("weight", "floor"), own, strict=True):
            if value is not None:
                yield key, f"is for a name of your own; for {pattern.name} write privacy.{key}s"
        return
    first, others = first_use.setdefault(pattern.name, (index, own))
    if others != own:
        yield "name", f"has another weight or floor than patterns[{first}], which has the same name"
