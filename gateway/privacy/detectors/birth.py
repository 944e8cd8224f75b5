"""Dates of birth: a date right after words that say so."""

from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import CHECKED, LIKELY, Match

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = (
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})"
    rf"|{_DAY}(?: of)? {_MONTH},? \d{{4}}|{_MONTH} {_DAY},? \d{{4}})(?:\b|T\d\d:?\d\d)"
)
_LABELLED = Pattern(
    r"\b(?:date[ _]of[ _]birth|birth[ _-]?(?:date|day)|d\.?o\.?b\.?|geburtsdatum|geb\."
    r"|fecha (?:de )?nacimiento|date (?:de )?naissance|data (?:de )?nascimento|geboortedatum|data ur\."
    r"|data urodzenia|data (?:di )?nascita)(?: (?:date|utc|time))?[\"']?(?: is| was)?"
    r"[ \t]*[:=(>-]?[ \t\"']*" + _DATE,
    ignore_case=True,
)
_BORN = Pattern(
    r"\b(?:born|geboren|n[e\xe9]e?|urodzon[ya]|urodzon[a?]|urodzonym|urodzonej)\b[^\n\d]{0,40}?" + _DATE,
    ignore_case=True,
)

_LONG_AGO = Pattern(r"\b1[0-8]\d\d\b")
"""Years in which nobody was born who lives."""


class BirthDetector:
    """Finds dates of birth."""

    types = ("DOB",)
    sign = r"birth|born|d\.?o\.?b|geb|n[e\xe9?]e?\b|nacim|naiss|nascita|nascim|geboort|data ur|urodz"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the dates, without the words that introduce them."""
        for pattern, seen, confidence in ((_LABELLED, text, CHECKED), (_BORN, as_data(text), LIKELY)):
            for span in pattern.find(seen):
                start, end = span.groups[0]
                if _LONG_AGO.is_in(text[start:end]):
                    continue
                yield Match(type="DOB", start=start, end=end, confidence=confidence)
