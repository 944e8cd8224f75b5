"""Where words such as "my name is" say that a name begins."""

import re

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import has_blank_line

_INTRODUCED = Pattern(
    r"(?:\b(?:(?:my|his|her|their|your|whose|maiden|last|first|full|sur|user|client|customer|patient"
    r"|employee)[ _-]?name(?: is|'s| was)?|name(?:d| is)?|(?:i am|i'm|it's|this is) called|signed(?: by)?"
    r"|dear|(?:kind |best |warm )?regards|sincerely|cheers)[ \t]*[:=,]?[ \t\n]*[\"']?)",
    ignore_case=True,
)
_TAG_CHARS = 120
_PAIR = re.compile(
    r"[^\n\"'<>{}:=]{1,60}[\"']?[ \t\r]*,?\s*[\"']?(?:value|val|content|type|default)\b", re.IGNORECASE
)
"""The name of a field, then its value, as in lists of variables."""
_CUES = ("name", "called", "signed", "dear", "regards", "sincerely", "cheers")
"""Each match of `_INTRODUCED` contains one of these, which are faster to find."""


def introduced_at(text: str) -> frozenset[int]:
    """Return the offsets at which an introduced name may begin, in the paragraph of the introducing words."""
    lowered = text.lower()
    if not any(map(lowered.__contains__, _CUES)):
        return frozenset()
    return frozenset(
        end
        for start, end in _INTRODUCED.places(text)
        if not (has_blank_line(text[start:end]) or _is_of_field(text, start, end))
    )


def _is_of_field(text: str, start: int, end: int) -> bool:
    """Whether "name" and what follows it names a field: in a tag, or before its value in a list of pairs."""
    if text[end - 1] not in "\"': =":
        return False
    before = text[max(0, start - _TAG_CHARS) : start]
    tag = before.rfind("<")
    if tag >= 0 and ">" not in before[tag:] and before[tag + 1 : tag + 2].isalpha():
        return True
    return _PAIR.match(text, end, end + _TAG_CHARS) is not None
