"""Bank accounts other than IBANs: numbers behind words that name them, and forms with check digits."""

import re
from collections.abc import Callable, Iterator

from stdnum import bic
from stdnum.cz import bankaccount as czech
from stdnum.es import ccc
from stdnum.no import kontonr
from stdnum.nz import bankaccount as new_zealand

from gateway.domain.text.pattern import Pattern, PatternSet, as_data
from gateway.privacy.detector import (
    CHECKED,
    LIKELY,
    PROBABLE,
    Match,
    accepted,
    context,
    digits_in,
    digits_of,
    is_whole_token,
)
from gateway.privacy.detectors.iban import is_iban
from gateway.privacy.detectors.labelled import LabelledValues, Named, number_end
from gateway.privacy.things import is_of_something_else

_ROUTING_WORD = r"\b(?:routing|aba|rtn|transit)\b"
_SORT_CODE_WORD = r"\bsort[ -]?code\b"
_ACCOUNT_WORD = (
    r"\b(?:(?:bank(?:ing)?|checking|savings?|deposit|giro)[ -]?(?:account|acct|a/c)|kontonummer|numer konta"
    r"|(?:account|acct|a/c)\.? ?(?:number|no|num|nr|#))"
)
_CLABE_WORD = r"\bclabe\b"
_ROUTING = Pattern(_ROUTING_WORD, ignore_case=True)
_SORT_CODE = Pattern(_SORT_CODE_WORD, ignore_case=True)
_ACCOUNT = Pattern(_ACCOUNT_WORD, ignore_case=True)
_CLABE = Pattern(_CLABE_WORD, ignore_case=True)
_BANK = Pattern(
    r"\b(?:bank(?:ing|s)?|deposit|wire|transfer|ach|direct debit|routing|sort[ -]?code|swift|bic)\b",
    ignore_case=True,
)
_NUMBER = Pattern(r"\b\d{2}-\d{2}-\d{2}\b|\b\d{8,18}\b")
_NEAR = f"{_ROUTING_WORD}|{_SORT_CODE_WORD}|{_ACCOUNT_WORD}|{_CLABE_WORD}"

_LABELLED = LabelledValues("accounts")
_MIN_DIGITS, _MOST_CHARS = 6, 34
_CODE = r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?|[A-Z]{4}0[A-Z0-9]{6}"
"""BIC (ISO 9362) and IFSC of India, which may have no digit."""
_CODES = LabelledValues("accounts", value=rf"\b(?-i:{_CODE})\b")
_CLOUD = re.compile(rb"\b(?:aws|arn|amazonaws|sts|iam)\b", re.IGNORECASE)
_CLOUD_DIGITS = 12
"""Digits of the number of an account at Amazon Web Services."""
_LOGIN = re.compile(rb"\bid\b", re.IGNORECASE)
"""An account with an id is one of a user, not of a bank."""

_FORMS: tuple[tuple[str, Callable[[str], bool], float], ...] = (
    (r"(?:\d{1,6}-)?\d{2,10}/\d{4}", czech.is_valid, LIKELY),
    (r"\d{2}[- ]\d{4}[- ]\d{7}[- ]\d{2,3}", new_zealand.is_valid, LIKELY),
    (r"\d{4}\.\d{2}\.\d{5}", kontonr.is_valid, PROBABLE),
    (r"\d{4}[ -]\d{4}[ -]\d{2}[ -]\d{10}", ccc.is_valid, LIKELY),
)
"""Forms of accounts that are rare by themselves, with check digits, of the country that writes them so."""
_FORM_SOURCES = [rf"\b(?:{shape})\b" for shape, _, _ in _FORMS]
_FORM_SET = PatternSet(_FORM_SOURCES)
_FORM_PATTERNS = [Pattern(source) for source in _FORM_SOURCES]


class BankDetector:
    """Finds accounts, routing numbers, sort codes and codes of banks."""

    types = ("BANK_ACCOUNT",)
    prefilter = "|".join([*_FORM_SOURCES, _NEAR, _LABELLED.names])

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers that words in their paragraph name, and those of a form with check digits."""
        data = as_data(text)
        text = data.decode("latin-1")

        def match_at(start: int, end: int) -> Match | None:
            confidence = _confidence(text, start, end) if is_whole_token(data, start, end) else 0.0
            return Match("BANK_ACCOUNT", start, end, confidence) if confidence else None

        yield from accepted(_NUMBER, data, match_at)
        for named in _LABELLED.find(data):
            end = _labelled_end(data, named)
            if end:
                yield Match("BANK_ACCOUNT", named.start, end, PROBABLE)
        for named in _CODES.find(data):
            if _is_code(text[named.start : named.end]):
                yield Match("BANK_ACCOUNT", named.start, named.end, LIKELY)
        for index in _FORM_SET.matching(data):
            yield from _by_form(text, data, index)


def _by_form(text: str, data: bytes, index: int) -> Iterator[Match]:
    _, check, confidence = _FORMS[index]

    def match_at(start: int, end: int) -> Match | None:
        is_one = is_whole_token(data, start, end) and check(text[start:end])
        return Match("BANK_ACCOUNT", start, end, confidence) if is_one else None

    for match in accepted(_FORM_PATTERNS[index], data, match_at):
        if not is_of_something_else(text, match.start):
            yield match


def _labelled_end(data: bytes, named: Named) -> int:
    """Return where the account behind a name ends; 0 if it is none, or an IBAN."""
    end = number_end(data, named.start, named.end, full=12, most=_MOST_CHARS)
    written = data[named.start : end].decode("latin-1")
    if digits_in(written) < _MIN_DIGITS or (written[:2].isalpha() and is_iban(written)):
        return 0
    if len(digits_of(written)) == _CLOUD_DIGITS:
        return 0 if _CLOUD.search(data[max(0, named.start - 80) : end + 40]) else end
    return 0 if _LOGIN.search(data[named.start - 6 : named.start]) else end


def _is_code(written: str) -> bool:
    return bool(bic.is_valid(written)) or (written[4] == "0" and written[:4].isalpha())


def _confidence(text: str, start: int, end: int) -> float:
    """Return the confidence of a number; 0 if nothing names it a bank account."""
    number, near = text[start:end], context(text, (start, end), before=60, after=20)
    if "-" in number:
        return CHECKED if _SORT_CODE.is_in(near) else 0.0
    if len(number) == 9 and is_routing_number(number) and _ROUTING.is_in(near):
        return CHECKED
    if len(number) == 18:
        return CHECKED if is_mexican(number) and _CLABE.is_in(near) else 0.0
    if _ACCOUNT.is_in(context(text, (start, end), before=40)):
        return LIKELY if _BANK.is_in(context(text, (start, end), before=100, after=60)) else PROBABLE
    return 0.0


def is_mexican(digits: str) -> bool:
    """Whether the last of eighteen digits checks the others, as in CLABE of Mexico."""
    *body, check = [int(digit) for digit in digits]
    return -sum(digit * weight % 10 for digit, weight in zip(body, (3, 7, 1) * 6, strict=False)) % 10 == check


def is_routing_number(digits: str) -> bool:
    """Whether nine digits have the prefix and check digit of an ABA routing number."""
    prefix = int(digits[:2])
    if not (1 <= prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80):
        return False
    return sum(weight * int(digit) for weight, digit in zip((3, 7, 1) * 3, digits, strict=True)) % 10 == 0
