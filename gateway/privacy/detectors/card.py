"""Payment card numbers (ISO/IEC 7812): known prefixes, valid lengths, Luhn."""

from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import (
    CHECKED,
    LIKELY,
    POSSIBLE,
    Match,
    accepted,
    context,
    digits_of,
    is_whole_token,
)
from gateway.privacy.things import has_ean_digit

_GAP = r"(?:[ .-]|[ \t]{1,3}| ?[-\x1f/] ?)"
"""A separator between groups; `\\x1f` is the underscore in the output of `as_data`."""
_FIRST_GROUP = 4
_GAPS = b" \t.\x1f/-"
_USUAL = (
    r"\d{12,19}"
    rf"|\d{{4}}(?:{_GAP}\d{{4}}){{3}}(?:{_GAP}\d{{3}})?"
    rf"|\d{{4}}{_GAP}\d{{6}}{_GAP}\d{{4,5}}"
    rf"|\d{{4}}(?:{_GAP}\d{{4}}){{2}}{_GAP}\d{{1,3}}"
)
_NUMBER = Pattern(_USUAL)
_NUMBER_OR_PAIRS = Pattern(rf"{_USUAL}|\d\d(?:[ -]\d\d){{7}}|\d{{6}} \d{{10}}|\d{{8}} \d{{8}}")
"""Also groups that occur in lists of numbers; used only near a word that names a card."""
_WORD = Pattern(
    r"\b(?:cards?|cc|credit|debit|visa|mastercard|maestro|amex|american express|discover|diners|jcb|karte"
    r"|carte|tarjeta|carta|kart[aeiuy?]?[a-z]{0,3}|kart(?:en)?(?:nummer|nr)|kredit[a-z]*|kreditk[a-z]*|kredi|cart[aã]o"
    r"|(?:krediet|bank|debit)?kaart(?:nummer)?|(?:kredit|bank|betal)?kort[a-z]*|k[aá]rty[a-z?]{0,8}|pan|cvv|cvc|atm)(?:\b|\?)",
    ignore_case=True,
)

_SIXTEEN_UP = frozenset(range(16, 20))
# (first, last, lengths) of the prefixes that the schemes publish; the longest matching prefixes come first.
_BRANDS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (2131, 2131, frozenset({15})),  # JCB, old
    (1800, 1800, frozenset({15})),  # JCB, old
    (2221, 2720, frozenset({16})),  # Mastercard
    (2200, 2204, _SIXTEEN_UP),  # Mir
    (3528, 3589, _SIXTEEN_UP),  # JCB
    (6011, 6011, _SIXTEEN_UP),  # Discover
    (300, 305, frozenset({14, 16})),  # Diners Club
    (644, 659, _SIXTEEN_UP),  # Discover
    (34, 34, frozenset({15})),  # American Express
    (37, 37, frozenset({15})),  # American Express
    (36, 36, frozenset({14, 16})),  # Diners Club
    (38, 39, frozenset({14, 16})),  # Diners Club
    (51, 55, frozenset({16})),  # Mastercard
    (62, 62, _SIXTEEN_UP),  # UnionPay
    (81, 82, frozenset({16})),  # RuPay
    (4, 4, frozenset({13, 16, 19})),  # Visa
)
_MAESTRO = ("50", "56", "57", "58", "6")


class CardDetector:
    """Finds payment card numbers, plain or in their usual groups."""

    types = ("CREDIT_CARD",)
    prefilter = (
        r"\d{12}|\d{4}(?:[ \t.\x1f/-]{1,3}\d{4}){2}|\d{4}[ \t.\x1f/-]{1,3}\d{6}[ \t.\x1f/-]{1,3}\d{4}"
        r"|\d\d(?:[ -]\d\d){7}|\d{6} \d{10}|\d{8} \d{8}"
    )

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers with a valid prefix, length and check digit."""
        data = as_data(text)
        text = data.decode("latin-1")
        has_word = _WORD.is_in(data)
        pattern = _NUMBER_OR_PAIRS if has_word else _NUMBER

        def match_at(start: int, last: int) -> Match | None:
            if _is_mixed(data[start:last]):
                # The first group may be another number.
                place = pattern.place(data, start + _FIRST_GROUP)
                if place and place[0] < last and not _is_mixed(data[slice(*place)]):
                    start, last = place
            for end in _ends(data, start, last):
                confidence = _confidence(text, data, start, end, has_word=has_word)
                if confidence:
                    return Match("CREDIT_CARD", start, end, confidence)
            return None

        yield from accepted(pattern, data, match_at)


def _is_mixed(number: bytes) -> bool:
    """Whether a number has different separators."""
    return len(set(number.translate(None, b"0123456789"))) > 1


def _ends(data: bytes, start: int, end: int) -> tuple[int, ...]:
    """Return the possible ends: a last group of three digits may be the security code, or another number."""
    if end - start <= 19 or data[end - 4 : end - 3].isdigit():
        return (end,)
    without = start + len(data[start : end - 3].rstrip(_GAPS))
    return (without, end) if _is_mixed(data[start:end]) else (end, without)


def _confidence(text: str, data: bytes, start: int, end: int, *, has_word: bool) -> float:
    """Return the confidence of a number; 0 if it is no card number."""
    digits = digits_of(text[start:end])
    if not has_luhn_digit(digits) or not is_whole_token(data, start, end) or len(set(digits)) < 2:
        return 0.0
    has_word = has_word and _WORD.is_in(context(text, (start, end), before=80, after=30))
    if not has_word and has_ean_digit(digits):
        return 0.0
    if is_of_known_brand(digits):
        return CHECKED if has_word or len(digits) in (15, 16) else LIKELY
    if has_word:
        return LIKELY
    return POSSIBLE if digits.startswith(_MAESTRO) else 0.0


def _lengths_by_head() -> dict[int, frozenset[int]]:
    """Return the valid lengths by the first four digits."""
    lengths: dict[int, frozenset[int]] = {}
    shared: dict[frozenset[int], frozenset[int]] = {}
    for first, last, allowed in _BRANDS:
        rest = 10 ** (4 - len(str(first)))
        for head in range(first * rest, (last + 1) * rest):
            found = lengths.get(head, frozenset()) | allowed
            lengths[head] = shared.setdefault(found, found)
    return lengths


_LENGTHS = _lengths_by_head()
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")


def is_of_known_brand(digits: str) -> bool:
    """Whether prefix and length belong to a card scheme other than Maestro."""
    return len(digits) in _LENGTHS.get(int(digits[:4]), ())


def has_luhn_digit(digits: str) -> bool:
    """Whether the Luhn check digit is valid (ISO/IEC 7812-1, annex B)."""
    codes = digits.encode("ascii")
    total = sum(codes[-1::-2]) + sum(codes[-2::-2].translate(_DOUBLED)) - len(codes) * ord("0")
    return total % 10 == 0
