"""Compares dates by value, in any order and calendar; pure. In doubt two dates are equal.

The key of a date is its three numbers, sorted, with two digits of the year; or, for a date written as one
number, its day since 1970, followed by a zero if the number was a Unix time.
"""

import re
from collections.abc import Iterator
from datetime import date

Key = tuple[int, ...]

_MONTHS = (
    "jan|gen|ene|sty|yan|ian|oca|led", "feb|fev|lut|sub|uno", "mar|maer|mrt|bre",
    "apr|avr|abr|kwi|nis|dub", "may|mai|mag|maj|mei|kve", "jun|juin|giu|cze|iyun|haz|cervna",
    "jul|juil|lug|lip|iyul|tem|cervence",
    "aug|aou|ago|sie|avg|agu|srp", "sep|set|wrz|sent|eyl|zar", "oct|okt|ott|out|paz|eki|rij", "nov|lis|kas",
    "dec|dez|des|dic|gru|dek|ara|pro",
)  # fmt: skip
"""The beginnings of month names, in languages of western and central Europe."""
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_NUMBER_OF = {begin: number for number, begins in enumerate(_MONTHS, 1) for begin in begins.split("|")}
_NUMBER_OF |= {roman: number for number, roman in enumerate(_ROMAN, 1)}
_BEGINNINGS = "|".join(sorted((begin for begin in _NUMBER_OF if begin not in _ROMAN), key=len, reverse=True))
_TOKEN = re.compile(
    rf"(?P<digits>\d+)|\b(?P<month>{_BEGINNINGS})[a-z]{{0,8}}"
    r"|(?<=\d[-./ ])(?P<roman>i{1,3}|i?v|vi{1,3}|i?x|xi{1,2})(?=[-./ ]+\d)"
)
_WEEK = re.compile(r"\b(\d{4})-?w(\d{2})-?([1-7])\b")
_DAY_OF_YEAR = re.compile(r"\b(\d{4})[-./]?(\d{3})\b")
_NEAR = 24
"""The most characters between two numbers of a date."""
_CALENDARS = (0, 543, -1911, -1925, -1988, -2018, 3760)
"""Years to add for Thailand, Taiwan, Japan's last three emperors, and the Jewish year at its longest."""
_DAY_S = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_JULIAN = 2_440_588
"""The Julian day number of the first day of 1970."""
_SPREADSHEET = date(1899, 12, 30).toordinal()


def dates_in(words: str) -> Iterator[Key]:
    """Yield the key of each possible date in a text of small Latin letters."""
    tokens = list(_TOKEN.finditer(words))
    numbers = [_number(token) for token in tokens]
    for at, token in enumerate(tokens):
        if token["digits"]:
            yield from _of_digits(token["digits"])
        if at >= 2 and _are_near(*tokens[at - 2 : at + 1]):
            yield _key(*numbers[at - 2 : at + 1])
    for found in _WEEK.finditer(words):
        try:
            yield (date.fromisocalendar(*map(int, found.groups())).toordinal() - _EPOCH,)
        except ValueError:
            continue
    for found in _DAY_OF_YEAR.finditer(words):
        if int(found[1]) and 0 < int(found[2]) <= 366:
            yield (date(int(found[1]), 1, 1).toordinal() + int(found[2]) - 1 - _EPOCH,)


def dates_of(words: str) -> Iterator[Key]:
    """Yield all keys that the dates of a value may have in a text."""
    for key in dates_in(words):
        if len(key) < 3:
            continue
        yield key
        for at, year in enumerate(key):
            month, day = (number for place, number in enumerate(key) if place != at)
            yield from (_key(year + more, month, day) for more in _CALENDARS)
            for full in (1900 + year, 2000 + year):
                for order in ((month, day), (day, month)):
                    try:
                        known = date(full, *order).toordinal() - _EPOCH
                    except ValueError:
                        continue
                    # A Unix time may be of the day before, in a zone ahead of UTC.
                    yield from ((known,), (known, 0), (known - 1, 0))


def _number(token: re.Match[str]) -> int:
    return int(token["digits"][-6:]) if token["digits"] else _NUMBER_OF[token["month"] or token["roman"]]


def _are_near(first: re.Match[str], second: re.Match[str], third: re.Match[str]) -> bool:
    return second.start() - first.end() <= _NEAR and third.start() - second.end() <= _NEAR


def _key(*numbers: int) -> Key:
    return tuple(sorted(number % 100 for number in numbers))


def _of_digits(digits: str) -> Iterator[Key]:
    # The time of day, or the rest of a personal number, may follow.
    if len(digits) >= 6:
        yield _key(int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    if len(digits) >= 8:
        yield _key(int(digits[2:4]), int(digits[4:6]), int(digits[6:8]))
        yield _key(int(digits[:2]), int(digits[2:4]), int(digits[6:8]))
    if len(digits) == 7:
        yield (int(digits) - _JULIAN,)
    if len(digits) == 5:
        yield (int(digits) + _SPREADSHEET - _EPOCH,)
    if 7 <= len(digits) <= 10:
        yield (int(digits) // _DAY_S, 0)
    if 11 <= len(digits) <= 13:
        yield (int(digits) // 1000 // _DAY_S, 0)
