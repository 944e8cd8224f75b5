"""E-mail addresses, also obfuscated and spoken ones."""

from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import CERTAIN, LIKELY, PROBABLE, Match

# A question mark represents a letter outside Latin-1; a change of the script begins another word.
_LATIN = r"A-Za-z0-9\xc0-\xff"
_OTHER = r"0-9?"
_LABEL = rf"(?:[{_LATIN}][{_LATIN}-]*|[{_OTHER}][{_OTHER}-]*)"
_ADDRESS = Pattern(
    rf"([{_LATIN}._%+'-]+|[{_OTHER}._%+'-]+)"
    rf"@((?:{_LABEL}\.)+(?:xn--[A-Za-z0-9-]+|[A-Za-z\xc0-\xff]{{2,24}}|\?{{2,24}}))"
)
_DISGUISED = Pattern(
    r"[A-Za-z0-9._+-]+ ?[\[({] ?(?:at|@) ?[\])}] ?"
    r"[A-Za-z0-9-]+(?:(?:\.| ?[\[({] ?(?:dot|\.) ?[\])}] ?)[A-Za-z0-9-]+)+",
    ignore_case=True,
)
_SPOKEN = Pattern(
    r"\b(?:e-?mail|mail|write|reach|contact|address)\b[^\n@]{0,40}?[ :]"
    r"([a-z0-9._+-]+ at [a-z0-9-]+(?: dot [a-z0-9-]+)* dot [a-z]{2,10})\b",
    ignore_case=True,
)
"""A spoken address; without such a word before it, "at" is a preposition."""
_FILE_ENDINGS = frozenset(
    {"png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "ts", "py", "html", "json"}
    | {"service", "socket", "timer", "slice", "scope", "mount"}  # Units of systemd.
)


class EmailDetector:
    """Finds e-mail addresses."""

    types = ("EMAIL",)
    prefilter = r"@| at [a-z0-9.-]+ dot |[\[({] ?at ?[\])}]"
    min_digits = 0

    def find(self, text: str) -> Iterator[Match]:
        """Yield the addresses in `text`."""
        if "@" in text:
            yield from _plain(text)
        if " at " in text and " dot " in text:
            for span in _SPOKEN.find(text):
                start, end = span.groups[0]
                yield Match(type="EMAIL", start=start, end=end, confidence=PROBABLE)
        if "[" in text or "(" in text or "{" in text:
            for span in _DISGUISED.find(text):
                yield Match(type="EMAIL", start=span.start, end=span.end, confidence=LIKELY)


def _plain(text: str) -> Iterator[Match]:
    for span in _ADDRESS.find(text):
        at = span.groups[0][1]
        # Patterns see characters outside Latin-1 as question marks; a real question mark ends the address.
        start = text.rfind("?", span.start, at) + 1 or span.start
        question_mark = text.find("?", at, span.end)
        end = question_mark if question_mark >= 0 else span.end
        while start < at and text[start] in ".'%+-":
            start += 1
        if start == at or "." not in text[at:end] or _is_something_else(text, start, end):
            continue
        yield Match(type="EMAIL", start=start, end=end, confidence=CERTAIN)


def _is_something_else(text: str, start: int, end: int) -> bool:
    """Whether it is a file name, the login part of a URL, or the address of a repository."""
    if text[start:end].rpartition(".")[2].lower() in _FILE_ENDINGS:
        return True
    if text.startswith("git@", start) and text[end : end + 1] == ":":
        return True
    word = max(text.rfind(" ", 0, start), text.rfind("\n", 0, start)) + 1
    scheme = text.find("://", word, start)
    return scheme >= 0 and "/" not in text[scheme + 3 : start] and "?" not in text[scheme + 3 : start]
