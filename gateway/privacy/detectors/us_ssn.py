"""Social security numbers of the United States, by the rules of the SSA on area, group and serial."""

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
from gateway.privacy.detectors.records import record_matches

_GROUPED = r"\b(?:\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}|\d{3}\.\d{2}\.\d{4}"
_GROUPED_CHARS = 11
_NUMBER = Pattern(_GROUPED + ")")
_NUMBER_OR_RUN = Pattern(_GROUPED + r"|\d{3} ?[-/] ?\d{2} ?[-/] ?\d{4}|\d{3}-\d{6}|\d{9})\b")
_WORD = Pattern(
    r"\b(?:ssns?|ss#|ss number|social[ -]?security|social (?:number|no)|socials?)\b", ignore_case=True
)


_SAMPLE = "078051120"
"""The number of a sample card, which thousands took for theirs; nobody has it."""


class UsSsnDetector:
    """Finds social security numbers: grouped ones, and plain ones near a word that names them."""

    types = ("US_SSN",)
    prefilter = r"\b\d{3}[-. /]{1,3}\d{2}[-. /]{1,3}\d{4}\b|\b\d{9}\b|\b\d{3}-\d{6}\b"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the numbers that could have been issued."""
        yield from record_matches(text, "US_SSN")
        data = as_data(text)
        text = data.decode("latin-1")
        has_word = _WORD.is_in(data)

        def match_at(start: int, end: int) -> Match | None:
            if not is_issuable(digits_of(text[start:end])) or not is_whole_token(data, start, end):
                return None
            confidence = _confidence(text, start, end, has_word=has_word)
            if confidence < CHECKED and digits_of(text[start:end]) == _SAMPLE:
                return None
            return Match("US_SSN", start, end, confidence) if confidence else None

        yield from accepted(_NUMBER_OR_RUN if has_word else _NUMBER, data, match_at)


def _confidence(text: str, start: int, end: int, *, has_word: bool) -> float:
    """Return the confidence of a number; 0 if it needs a word that names it."""
    if has_word and _WORD.is_in(context(text, (start, end), before=80, after=30)):
        return CHECKED
    if end - start != _GROUPED_CHARS:
        return 0.0
    return LIKELY if text[start + 3] == "-" else POSSIBLE


def is_issuable(digits: str) -> bool:
    """Whether the SSA may have issued these nine digits."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return False
    return len(set(digits)) > 1
