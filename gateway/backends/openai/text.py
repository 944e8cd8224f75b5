"""The text of a message or a delta."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.openai.thoughts import THOUGHTS
from gateway.domain.quick_init import quick_init

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


@quick_init
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
