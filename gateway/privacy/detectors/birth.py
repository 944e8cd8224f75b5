"""Dates of birth: dates directly after words that name them."""

from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import CHECKED, LIKELY, Match

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = (
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    rf"|{_DAY}(?: of)? {_MONTH},? (?:\d{{4}}|\d\d)|{_MONTH} {_DAY},? \d{{4}})(?:\b|T\d\d:?\d\d|_)"
)
_LABELLED = Pattern(
    r"\b(?:date[ _]of[ _]birth|birth[ _-]?(?:date|day|dt|ts)|d\.?o\.?b\.?|geb(?:urts)?[ _]?dat(?:um|e)?|geb\."
    r"|fecha (?:de )?nac(?:imiento)?|(?:dat[ae]|dt)\.? (?:d[eia] )?na(?:s[cz]|iss)[a-z]{0,8}|geboortedatum"
    r"|data ur(?:\b|\.|odzenia))(?: (?:date|utc|time))?[\"']?(?: is| was)?"
    r"[ \t]*[:=(>_#-]?[ \t\"']*" + _DATE,
    ignore_case=True,
)
_BORN = Pattern(
    r"\b(?:born|geboren|n[e\xe9]e?|urodzon[ya]|urodzon[a?]|urodzonym|urodzonej)\b[^\n\d]{0,40}?" + _DATE,
    ignore_case=True,
)

_LONG_AGO = Pattern(r"\b1[0-8]\d\d\b")
"""Years in which no living person was born."""


class BirthDetector:
    """Finds dates of birth."""

    types = ("DOB",)
    prefilter = r"birth|born|d\.?o\.?b|geb|n[e\xe9?]e?\b|nac|naiss|nas[cz]|data ur|urodz"

    def find(self, text: str) -> Iterator[Match]:
        """Yield the dates, without the words that introduce them."""
        for pattern, seen, confidence in ((_LABELLED, text, CHECKED), (_BORN, as_data(text), LIKELY)):
            for span in pattern.find(seen):
                start, end = span.groups[0]
                if _LONG_AGO.is_in(text[start:end]):
                    continue
                yield Match(type="DOB", start=start, end=end, confidence=confidence)
