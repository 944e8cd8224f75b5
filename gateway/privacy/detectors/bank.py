"""Bank accounts other than IBANs: numbers that count only near words that name them."""

from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import CHECKED, LIKELY, PROBABLE, Match, accepted, context, is_whole_token

_NUMBER = Pattern(r"\b\d{2}-\d{2}-\d{2}\b|\b\d{8,17}\b")
_ROUTING_WORD = r"\b(?:routing|aba|rtn|transit)\b"
_SORT_CODE_WORD = r"\bsort[ -]?code\b"
_ACCOUNT_WORD = (
    r"\b(?:(?:bank(?:ing)?|checking|savings?|deposit|giro)[ -]?(?:account|acct|a/c)|kontonummer|numer konta"
    r"|(?:account|acct|a/c)\.? ?(?:number|no|num|nr|#))"
)
_ROUTING = Pattern(_ROUTING_WORD, ignore_case=True)
_SORT_CODE = Pattern(_SORT_CODE_WORD, ignore_case=True)
_ACCOUNT = Pattern(_ACCOUNT_WORD, ignore_case=True)
_BANK = Pattern(
    r"\b(?:bank(?:ing|s)?|deposit|wire|transfer|ach|direct debit|routing|sort[ -]?code|swift|bic)\b",
    ignore_case=True,
)


class BankDetector:
    """Finds routing numbers (ABA check digit), sort codes and account numbers near words that name them."""

    types = ("BANK_ACCOUNT",)
    prefilter = f"{_ROUTING_WORD}|{_SORT_CODE_WORD}|{_ACCOUNT_WORD}"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers that words in their paragraph name."""
        data = as_data(text)
        text = data.decode("latin-1")

        def match_at(start: int, end: int) -> Match | None:
            confidence = _confidence(text, start, end) if is_whole_token(data, start, end) else 0.0
            return Match("BANK_ACCOUNT", start, end, confidence) if confidence else None

        yield from accepted(_NUMBER, data, match_at)


def _confidence(text: str, start: int, end: int) -> float:
    """Return the confidence of a number; 0 if nothing names it a bank account."""
    number, near = text[start:end], context(text, (start, end), before=60, after=20)
    if "-" in number:
        return CHECKED if _SORT_CODE.is_in(near) else 0.0
    if len(number) == 9 and is_routing_number(number) and _ROUTING.is_in(near):
        return CHECKED
    if _ACCOUNT.is_in(context(text, (start, end), before=40)):
        return LIKELY if _BANK.is_in(context(text, (start, end), before=100, after=60)) else PROBABLE
    return 0.0


def is_routing_number(digits: str) -> bool:
    """Whether nine digits have the prefix and check digit of an ABA routing number."""
    prefix = int(digits[:2])
    if not (1 <= prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80):
        return False
    return sum(weight * int(digit) for weight, digit in zip((3, 7, 1) * 3, digits, strict=True)) % 10 == 0
