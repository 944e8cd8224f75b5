"""Compares renderings of a chat template: what is common, and what differs from call to call."""

import itertools
import json
import re

from gateway.engine.calls.form import Segment, Slot

_ATOM = re.compile(r"<[^<>\n]{1,60}>|\[[A-Z_/]+\]|.", re.DOTALL)
"""A tag, or a character."""
_ID_MARK = "\ue000"
_INDEX_MARK = "\ue001"


class NoForm(Exception):
    """The template writes calls in no form that is known."""


def written_forms(value: object) -> list[str]:
    """Return how a value may be written; the first is JSON as templates write it."""
    if isinstance(value, str):
        return [value]
    forms = [
        json.dumps(value),
        json.dumps(value, separators=(",", ":")),
        json.dumps(value, indent=4),
        str(value),
    ]
    return list(dict.fromkeys(forms))


def common_start(one: str, other: str) -> str:
    """Return the common start of two texts; a tag, which may be one token, is not divided."""
    pairs = zip(_ATOM.findall(one), _ATOM.findall(other), strict=False)
    return "".join(left for left, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def common_end(one: str, other: str) -> str:
    """Return the common end of two texts, likewise."""
    pairs = zip(reversed(_ATOM.findall(one)), reversed(_ATOM.findall(other)), strict=False)
    same = [left for left, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)]
    return "".join(reversed(same))


def without_ids(one: str, other: str) -> str:
    """Return a text with a mark for each word that differs in the other one."""
    if one == other:
        return one
    words, others = re.split(r"([A-Za-z0-9_]+)", one), re.split(r"([A-Za-z0-9_]+)", other)
    if len(words) != len(others) or words[::2] != others[::2]:
        raise NoForm
    return "".join(word if word == same else _ID_MARK for word, same in zip(words, others, strict=True))


def indexed(opening: str, between: str) -> tuple[str, str]:
    """Return both texts with a mark for each number that counts calls: it differs at the same place."""
    masked = [re.sub(r"[0-9]+", _INDEX_MARK, text) for text in (opening, between)]
    raw, common = common_end(opening, between), len(common_end(*masked))
    if common <= len(raw):
        return opening, between
    # The part before the common end keeps its numbers.
    return _mask_end(opening, common), _mask_end(between, common)


def _mask_end(text: str, count: int) -> str:
    """Return a text with marks for numbers in its end, which then has `count` characters."""
    size, end = 0, ""
    for part in reversed(re.split(r"([0-9]+)", text)):
        if size >= count:
            end = part + end
            continue
        marked = _INDEX_MARK if part.isdigit() else part
        size += len(marked)
        end = marked + end
    return end


def indexed_whole(one: str, other: str) -> tuple[str, str]:
    """Return two texts that differ by a number at most, with a mark for it; raises NoForm for others."""
    if one == other:
        return one, other
    masked = [re.sub(r"[0-9]+", _INDEX_MARK, text) for text in (one, other)]
    if masked[0] != masked[1]:
        raise NoForm
    return masked[0], masked[1]


def segment_of(text: str) -> Segment:
    """Return a text as literal parts and slots."""
    slots = {_ID_MARK: Slot.ID, _INDEX_MARK: Slot.INDEX}
    parts = re.split(f"([{_ID_MARK}{_INDEX_MARK}])", text)
    return tuple(slots.get(part, part) for part in parts if part)
