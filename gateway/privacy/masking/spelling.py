"""Detects whether a masked value remains in a text, in any spelling; pure. In doubt it remains.

Value and text are converted to the same few forms, and those of the value are searched in those of the text:

* words: small letters without accents, look-alikes and other scripts as Latin ones; for parts of names;
* joined: the words without separators, with one character for letters and digits that look alike;
* digits: runs of digits without separators, for numbers of which a part remains;
* dates: years, months and days, by value.
"""

import codecs
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.domain.text.pattern import Pattern
from gateway.privacy.masking.codings import variants
from gateway.privacy.masking.dates import Key, dates_in, dates_of
from gateway.privacy.masking.letters import (
    initials,
    joined,
    numbers_of,
    with_letters_for_digits,
    without_at_and_dot,
    words_of,
)

_MIN_WORD = 3
"""The least characters of a word of a name that is searched."""
_MIN_JOINED = 6
"""The least characters of a form that is searched in the joined words of a text."""
_SHARED_DIGITS = 6
"""If two numbers share this many digits in a row, one counts as a part of the other."""
_LAST_DIGITS = 4
"""The last digits that identify a number, as in "the one that ends in 0958"."""
_NUMBERS = frozenset({"CREDIT_CARD", "US_SSN", "NATIONAL_ID", "IBAN", "BANK_ACCOUNT", "PHONE", "VEHICLE"})
_NAMES = frozenset({"PERSON"})
_HASH = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?![0-9A-Za-z])")


class Value(NamedTuple):
    """A value that was masked, and its type."""

    type: str
    text: str


class _Text(NamedTuple):
    """The forms of a text that may hold values."""

    words: str
    joined: str
    groups: frozenset[str]
    """Numbers as they are written."""
    shared: frozenset[str]
    """All digits in a row of runs whose separators are left out."""
    dates: frozenset[Key]
    hashes: frozenset[str]


def is_spelled_in(text: str, values: Sequence[Value]) -> bool:
    """Return whether one of the values, or an identifying part of it, is in a text."""
    decoded = variants(text)
    if decoded is None:
        return True
    rest = _text_of(decoded, has_dates=any(value.type == "DOB" for value in values))
    return (
        any(_has_piece(value, rest) for value in values)
        or _contains_any({form for value in values for form in _words_forms(value)}, rest.words)
        or _contains_any({form for value in values for form in _joined_forms(value)}, rest.joined)
    )


def _text_of(decoded: Iterable[str], *, has_dates: bool) -> _Text:
    words = [form for one in decoded for form in words_of(one)]
    numbers = [numbers_of(form) for form in words]
    return _Text(
        words="\n".join(form for one in words for form in with_letters_for_digits(one)),
        joined="\n".join(
            form for one in words for form in {joined(one), joined(without_at_and_dot(one)), initials(one)}
        ),
        groups=frozenset(group for one in numbers for group in (*one.groups, *one.runs)),
        shared=frozenset(piece for one in numbers for run in one.runs for piece in _digit_windows(run)),
        dates=frozenset(date for one in words for date in dates_in(one)) if has_dates else frozenset(),
        hashes=frozenset(each.lower() for one in decoded for each in _HASH.findall(one)),
    )


def _contains_any(forms: Iterable[str], text: str) -> bool:
    """Return whether one of the forms is in a text, in one pass."""
    wanted = [re.escape(form).encode().decode("latin-1") for form in forms if form]
    return bool(wanted) and Pattern("|".join(wanted)).is_in(text.encode())


def _has_piece(value: Value, rest: _Text) -> bool:
    """Return whether a number, a date or a hash in the text identifies a value."""
    if value.type in _NUMBERS:
        numbers = [numbers_of(form) for form in words_of(value.text)]
        runs = [run for one in numbers for run in one.runs]
        if any(
            not rest.shared.isdisjoint(_digit_windows(run)) for each in runs for run in (each, each[::-1])
        ):
            return True
        if any(not rest.groups.isdisjoint(_last(one.groups)) for one in numbers):
            return True
    if value.type == "DOB" and not rest.dates.isdisjoint(
        date for form in words_of(value.text) for date in dates_of(form)
    ):
        return True
    return bool(rest.hashes) and not rest.hashes.isdisjoint(_hashes(value.text))


def _digit_windows(run: str) -> Iterator[str]:
    for at in range(len(run) - _SHARED_DIGITS + 1):
        yield run[at : at + _SHARED_DIGITS]


def _last(groups: Sequence[str]) -> Iterator[str]:
    """Yield the groups in which a number is written, and its end."""
    whole = "".join(groups)
    if len(whole) > _LAST_DIGITS:
        yield from (whole[-length:] for length in range(_LAST_DIGITS, len(whole)))
        yield from (group for group in groups if len(group) >= _LAST_DIGITS)


def _words_forms(value: Value) -> Iterator[str]:
    """Yield the forms of a value that must not be in the words of a text."""
    for form in words_of(value.text):
        yield form
        if value.type in _NAMES:
            for word in form.split():
                bare = word.strip(".,;:'\"()")
                yield bare if len(bare) >= _MIN_WORD else ""
        if value.type == "IP":
            yield from _addresses(value.text)


def _joined_forms(value: Value) -> Iterator[str]:
    """Yield the forms of a value that must not be in the joined words of a text."""
    for written in set(_parts(value)):
        for form in words_of(written):
            whole = joined(form)
            if len(whole) >= _MIN_JOINED:
                yield from (whole, whole[::-1], joined(codecs.encode(form, "rot13")))


def _parts(value: Value) -> Iterator[str]:
    """Yield a value, and the parts that identify it."""
    yield value.text
    if value.type == "EMAIL":
        name = value.text.partition("@")[0]
        yield from (name, name.partition("+")[0])
    if value.type == "URL":
        yield re.sub(r"^[a-z]+://(?:www\.)?", "", value.text, flags=re.IGNORECASE)
    if value.type in {"PERSON", "EMAIL", "ADDRESS"}:
        # Another order: the family name, or the street, first.
        words = re.findall(r"\w+", value.text.partition("@")[0])
        yield " ".join(words[-1:] + words[:-1])


def _addresses(text: str) -> Iterator[str]:
    """Yield the other ways to write an IP address."""
    try:
        address = ipaddress.ip_interface(text).ip
    except ValueError:
        return
    yield from (address.compressed, address.exploded, address.reverse_pointer)
    yield from (str(int(address)), f"{int(address):x}", f"{int(address):o}")
    if address.version == 4:
        yield ".".join(f"{byte:04o}" for byte in address.packed)
        yield ".".join(f"0x{byte:02x}" for byte in address.packed)
        yield f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"


def _hashes(text: str) -> Iterator[str]:
    """Yield the hashes that services use for an address or a number."""
    digits = "".join(filter(str.isdigit, text))
    for written in {text, text.lower(), text.strip(), digits, f"+{digits}"}:
        data = written.encode()
        yield from (hashlib.md5(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest())
        yield hashlib.sha1(data, usedforsecurity=False).hexdigest()
