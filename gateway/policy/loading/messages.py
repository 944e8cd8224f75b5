"""Messages for operators from pydantic's errors, with suggestions for misspelled names.

No message repeats a value of the file, except a short word where a name is expected: an API key that was
pasted into the wrong place must not reach a log.
"""

import difflib
import re
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.policy.aliases import ALIAS_PATTERN
from gateway.policy.kinds import KINDS
from gateway.policy.loading.document import EMPTY, Document
from gateway.policy.model import PolicyFile
from gateway.policy.source import Path, Problem

_WORD = re.compile(r"[A-Za-z0-9._:-]{1,32}")
_MESSAGES = {
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "number_type": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "string_too_short": "must not be empty",
}
_MEASURES = {"string_too_long": "characters", "bytes_too_long": "bytes"}
"""What the length of a value counts, by the error; of lists and mappings it counts entries."""
RENAMED_KEYS = {"hang_s": "watchdog_s", "kept_mb": "prefix_cache_mb", "sample": "mirror"}
"""Renamed keys: old name to new name."""
_BRANCH = re.compile(r"constrained-|literal\[")
"""How pydantic names the branches of a union of words and numbers."""
_PATTERNS = {
    "^[A-Za-z0-9._:-]{1,64}$": "must be 1 to 64 letters, digits and . _ : -",
    "^[0-9a-f]{64}$": "must be 64 hexadecimal digits in lower case",
    ALIAS_PATTERN: "must be letters, digits and . _ : / @ + -, with at most one *",
    "^https?://": "must begin with https:// or http://",
    "^[A-Za-z_][A-Za-z0-9_]*$": "must be the name of an environment variable, never a key itself",
}


def counted(count: int, noun: str) -> str:
    """Return `1 model` or `2 models`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'weight'?)` with the nearest known word, or an empty text."""
    by_folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return f" (did you mean '{by_folded[near[0]]}'?)" if near else ""


def quoted(word: str) -> str:
    """Return ` 'word'` if the word may be shown (a short name), else an empty text."""
    return f" '{word}'" if _WORD.fullmatch(word) else ""


def unknown(value: object, known: Iterable[str]) -> str:
    """Return the message for a value that is none of the `known` words."""
    words = tuple(known)
    choice = f"one of {', '.join(words)}"
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        return f"must be {choice}"
    near = did_you_mean(value, words)
    return f"unknown value{quoted(value)}{near}" if near else f"unknown value{quoted(value)}; {choice}"


def problems_of(error: ValidationError, document: Document) -> Iterator[Problem]:
    """Yield pydantic's errors, each with its line, without errors that only follow from another one."""
    for details in error.errors(include_url=False, include_context=True):
        # Pydantic also reports a list as empty if all its items are invalid.
        is_needless = details["type"] == "too_short" and details["input"]
        is_needless = is_needless or details["type"] == "default_factory_not_called"
        if not is_needless and not _is_of_other_branch(details):
            yield _problem(details, document)


def _is_of_other_branch(details: ErrorDetails) -> bool:
    """Return whether an error is about the branch of "a word or a number" that the value does not match."""
    branch, is_text = str(details["loc"][-1]), isinstance(details["input"], str)
    return _BRANCH.match(branch) is not None and branch.startswith("literal") is not is_text


def _problem(details: ErrorDetails, document: Document) -> Problem:
    path, models = _resolve(details["loc"], document)
    if details["type"] == "extra_forbidden":
        known = [name for model in models for name in model.model_fields]
        key = str(path[-1])
        if RENAMED_KEYS.get(key) in known:
            return document.problem(path, f"is now called '{RENAMED_KEYS[key]}'")
        return document.problem(path, f"unknown key{did_you_mean(key, known)}")
    if details["type"] == "missing":
        return document.problem(path, "is missing")
    if path == ("version",) and details["type"] == "less_than_equal":
        return document.problem(
            path, "must be 1, which this gateway reads; a later version needs a newer gateway"
        )
    if details["type"] == "union_tag_invalid":
        return _problem_of_kind(details, path, document)
    return document.problem(path, message_for(details))


def _problem_of_kind(details: ErrorDetails, path: Path, document: Document) -> Problem:
    here = (*path, "kind")
    given = details["input"].get("kind") if isinstance(details["input"], dict) else None
    if given is None:
        return document.problem(here, f"is missing; one of {', '.join(KINDS)}")
    return document.problem(here, unknown(given, KINDS))


def message_for(details: ErrorDetails) -> str:
    """Return the message for an error of pydantic."""
    kind, context = details["type"], details.get("ctx", {})
    if details["input"] is None:
        return EMPTY
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    if kind in {"literal_error", "enum"}:
        return unknown(details["input"], _words(str(context["expected"])))
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(context["pattern"]), f"must match {context['pattern']}")
    if kind == "decimal_max_places":
        return f"must have at most {context['decimal_places']} decimals"
    if kind == "too_short":
        return "must not be empty"
    for bound, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if bound in context:
            return f"must be {words} {context[bound]}"
    if "max_length" in context:
        return f"must have at most {context['max_length']} {_MEASURES.get(kind, 'entries')}"
    return details["msg"].removeprefix("Value error, ")


def _words(expected: str) -> list[str]:
    """Return the values that pydantic lists, as YAML has them."""
    return [text or other.lower() for text, other in re.findall(r"'([^']*)'|\b(True|False)\b", expected)]


def _resolve(location: tuple[int | str, ...], document: Document) -> tuple[Path, list[type[BaseModel]]]:
    """Return the path in the file for a location of pydantic, and the models that describe its parent.

    A location also holds `[key]` and names of union branches, which are not in the file.
    """
    path: list[int | str] = []
    models: list[type[BaseModel]] = [PolicyFile]
    within: list[type[BaseModel]] = models
    for part in location:
        if len(path) == 1 and path[0] == "models":
            path.append(part)
            within = [KINDS[kind].spec] if (kind := _kind_of(part, document)) in KINDS else []
        elif part != "[key]" and not _BRANCH.match(str(part)):
            path.append(part)
            models = within
            fields = [model.model_fields[str(part)] for model in within if str(part) in model.model_fields]
            if fields:
                within = [found for field in fields for found in _models_in(field.annotation)]
    return tuple(path), models


def _kind_of(model: int | str, document: Document) -> str:
    match document.value:
        case {"models": dict() as models}:
            match models.get(model):
                case {"kind": str() as kind}:
                    return kind
    return ""


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Annotated, Union, types.UnionType, tuple, dict}:
        for argument in get_args(annotation):
            yield from _models_in(argument)
