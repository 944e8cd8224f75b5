"""The text of a message or a delta, and pieces of text joined so that no character is cut in two."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.openai.thoughts import THOUGHTS

TEXT_PARTS = frozenset({"text", "output_text"})
"""Types of parts that are the answer."""
OTHER_PARTS = frozenset({
    "thinking", "redacted_thinking", "reasoning", "reasoning_text", "reasoning_summary", "thought",
    "reference", "citation", "annotation", "tool_use", "tool_call", "function_call", "tool_reference",
})  # fmt: skip
"""Types of parts that are none of its text; a part of any other type may be, so it is refused."""
TEXT_FIELDS = ("content", "refusal", "text")
"""Where the words stand; the last is that of completions without chat, which some servers keep."""
SIGNS_OF_WORK = (*THOUGHTS, "reasoning_details", "tool_calls", "function_call", "audio")
"""Fields that show that a model is at work, though not at the text of its answer."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNFINISHED = "\ufffd" + "".join(map(chr, range(0xD800, 0xDC00)))
"""With what a piece may end whose last character is cut: a first half, or what a provider puts for one."""


_LONGEST_HELD = 4
"""A character has at most four bytes, and a provider puts one mark for each of them that it has so far."""


@dataclass(frozen=True, slots=True)
class MessageText:
    """What a message or a delta says."""

    text: str = ""
    is_refusal: bool = False
    """Whether the text is the model's refusal, which is in a field of its own."""
    has_spoken: bool = False
    """Whether the model said or thought anything, or called a tool."""


_NOTHING = MessageText()


def spoken(message: Mapping[str, object]) -> MessageText:
    """Return what a message or delta says; raises UnreadableAnswer where a part of it cannot be read."""
    for field in TEXT_FIELDS:
        content = message.get(field)
        if not content:
            continue
        text = content if isinstance(content, str) else _text_of_parts(content, field)
        if text:
            return MessageText(text, is_refusal=field == "refusal", has_spoken=True)
    has_spoken = bool(message.get("content")) or any(message.get(field) for field in SIGNS_OF_WORK)
    return MessageText(has_spoken=True) if has_spoken else _NOTHING


def _text_of_parts(content: object, field: str) -> str:
    parts = content if isinstance(content, list) else [content]
    return "".join(_text_of_part(part, field) for part in parts)


def _text_of_part(part: object, field: str) -> str:
    if isinstance(part, str):
        return part
    if part is None:
        return ""
    if not isinstance(part, dict):
        raise UnreadableAnswer(f"{field} is neither a string nor parts")
    kind = part.get("type")
    if kind in OTHER_PARTS:
        return ""
    text = part.get("text")
    text = text.get("value") if isinstance(text, dict) else text
    if (kind is None or kind in TEXT_PARTS) and (text is None or isinstance(text, str)):
        return text or ""
    raise UnreadableAnswer(f"a part of {field} is of a type that is not known")


class TextJoiner:
    """Joins pieces of text: a character that comes in two halves is given out when it is whole."""

    def __init__(self) -> None:
        self._held = ""

    def add(self, piece: str) -> str:
        """Return what can be given out after one piece more."""
        if not self._held and piece.isascii():
            return piece
        text = self._held + piece
        at = max(0, len(text) - _LONGEST_HELD)
        at += len(text[at:].rstrip(_UNFINISHED))
        self._held = text[at:]
        return _mended(text[:at])

    def end(self, *, is_cut: bool) -> str:
        """Return what was held back; nothing if the model was cut off in the middle of a character."""
        held, self._held = self._held, ""
        return "" if is_cut else _mended(held)


def _mended(text: str) -> str:
    """Return the text with halves of surrogate pairs joined; one without its other half becomes U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
