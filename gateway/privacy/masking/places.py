"""Where in a request a value may be masked: in text, and in string values of JSON; pure.

Names, ids, URLs, names of files and keys of JSON stay what they are: something else refers to them.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from gateway.domain.conversation import Message, Part, Reasoning
from gateway.domain.privacy import Finding
from gateway.domain.request import Request
from gateway.domain.strings import RequestString

_JSON_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?', re.DOTALL)
_TEXTS = ("content", ".text", ".input")
"""How the paths of text end; `arguments_json` is the only JSON of a message."""


class Places:
    """The strings of a request, by their place."""

    def __init__(self, strings: Sequence[RequestString]) -> None:
        self.strings = strings

    @cached_property
    def _indexes(self) -> dict[tuple[int, str], int]:
        return {(each.message_index, each.path): at for at, each in enumerate(self.strings)}

    def index(self, finding: Finding) -> int:
        """Return the index of the string that holds a finding; -1 for what is no string."""
        return self._indexes.get((finding.message_index, finding.path), -1)

    def text_of(self, finding: Finding) -> str:
        """Return what was found."""
        return self.strings[self.index(finding)].text[finding.start : finding.end]

    def is_maskable(self, finding: Finding) -> bool:
        """Whether a placeholder may be written over a finding."""
        index = self.index(finding)
        if index < 0:
            return False
        string = self.strings[index]
        if string.is_json:
            return _is_in_json_value(string, finding)
        return string.path.endswith(_TEXTS)


def _is_in_json_value(string: RequestString, finding: Finding) -> bool:
    """Whether a finding is a part of a string value, and reads the same outside of JSON."""
    if "\\" in string.text[finding.start : finding.end]:
        return False
    return any(
        match.start(1) <= finding.start and finding.end <= match.end(1) and match[2] is None
        for match in _JSON_STRING.finditer(string.text)
    )


def without_altered_thoughts(masked: Request, original: Request) -> Request | None:
    """Return the masked request without signed thoughts whose text is another: a provider refuses those.

    None: a message would have nothing left.
    """
    messages = tuple(map(_without_altered, masked.messages, original.messages))
    if any(before.parts and not after.parts for before, after in zip(masked.messages, messages, strict=True)):
        return None
    return replace(masked, messages=messages)


def _without_altered(masked: Message, original: Message) -> Message:
    if masked is original:
        return masked
    parts = tuple(
        part for part, was in zip(masked.parts, original.parts, strict=True) if not _is_altered(part, was)
    )
    return masked if len(parts) == len(masked.parts) else replace(masked, parts=parts)


def _is_altered(part: Part, was: Part) -> bool:
    return isinstance(part, Reasoning) and bool(part.opaque) and part != was


def is_inside(finding: Finding, spans: Sequence[Finding]) -> bool:
    """Return whether a finding is within one of others."""
    return any(
        is_beside(span, finding) and span.start <= finding.start and finding.end <= span.end for span in spans
    )


def is_beside(one: Finding, other: Finding) -> bool:
    """Return whether two findings are in the same string."""
    return (one.message_index, one.path) == (other.message_index, other.path)


def outside(others: Sequence[Finding], to_mask: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are within none of those to mask."""
    return [other for other in others if not is_inside(other, to_mask)]
