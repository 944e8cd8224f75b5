"""Checks messages: who says what, and whether calls of tools and their results belong together."""

import re
from dataclasses import replace

from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import Steps
from gateway.server.validation.json_text import argument_steps

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""The name of a tool or of a participant."""
MAX_MESSAGES = 1024
MAX_PARTS = 1024
"""In one message, and in one result of a tool."""
PART_CHARS = 32
"""To read and check a message or part takes as long as so many characters of a schema."""
MAX_CALL_ID_BYTES = 256
MAX_URL_BYTES = 8 * 1024
MAX_FILE_NAME_BYTES = 256
IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
FILE_TYPES = frozenset({
    "application/pdf", "application/json", "text/plain", "text/csv", "text/markdown", "text/html", "text/xml",
    "application/msword", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
})  # fmt: skip

_VISIBLE = re.compile(
    "[^\\s\\x00-\\x1f\\x7f-\\x9f\\u2800"
    "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f"
    "\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufff8"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff]"
)
"""A character that a reader sees: no space, no control, not braille's empty cell, and nothing that Unicode
lists as `Default_Ignorable_Code_Point`, zero-width characters above all."""

_PARTS_OF: dict[Role, tuple[type, ...]] = {
    Role.SYSTEM: (Text,),
    Role.USER: (Text, Image, File),
    Role.ASSISTANT: (Text, ToolCall, Reasoning),
    Role.TOOL: (ToolResult,),
}
_WORDS = {
    Text: "text",
    Image: "image",
    File: "file",
    ToolCall: "tool_call",
    ToolResult: "tool_result",
    Reasoning: "reasoning",
}


def message_steps(messages: tuple[Message, ...]) -> Steps[tuple[Message, ...]]:
    """Return the messages, with arguments of calls as they are sent; raises InvalidRequest."""
    check_message_count(len(messages))
    calls: set[str] = set()
    answered: set[str] = set()
    checked = []
    for i, message in enumerate(messages):
        yield PART_CHARS
        checked.append((yield from _message(f"messages[{i}]", message, calls, answered)))
    return messages if all(map(_is, checked, messages)) else tuple(checked)


def is_blank(text: str) -> bool:
    """Say whether a text has no character that a reader sees."""
    return not _VISIBLE.search(text)


def check_message_count(count: int) -> None:
    """Raise InvalidRequest for no conversation, and for too long a one."""
    if not 1 <= count <= MAX_MESSAGES:
        raise InvalidRequest("messages", f"must have 1 to {MAX_MESSAGES} messages, has {count}")


def check_part_count(at: str, count: int) -> None:
    """Raise InvalidRequest for too many parts of what is at `at`."""
    check_count(f"{at}.parts", count, MAX_PARTS, "parts")


def check_count(field: str, count: int, most: int, things: str) -> None:
    """Raise InvalidRequest for too many, before time is spent on each."""
    if count > most:
        raise InvalidRequest(field, f"must have at most {most} {things}, has {count}")


def check_name(field: str, name: str) -> None:
    """Raise InvalidRequest for what is no name of a tool or participant."""
    if not NAME.fullmatch(name):
        raise InvalidRequest(field, "must match [A-Za-z0-9_-]{1,64}")


def _message(at: str, message: Message, calls: set[str], answered: set[str]) -> Steps[Message]:
    if message.name:
        check_name(f"{at}.name", message.name)
    if not message.parts:
        if message.role is Role.TOOL:
            raise InvalidRequest(f"{at}.content", "is not allowed for role tool: send a tool_result part")
        if is_blank(message.content):
            raise InvalidRequest(f"{at}.content", "must not be empty, nor hold blank characters alone")
        return message
    if message.content:
        raise InvalidRequest(f"{at}.content", "must not be set together with parts")
    check_part_count(at, len(message.parts))
    if not any(not isinstance(part, Text) or not is_blank(part.text) for part in message.parts):
        raise InvalidRequest(f"{at}.parts", "must not be empty, nor hold blank characters alone")
    parts: list[Part] = []
    for i, part in enumerate(message.parts):
        field = f"{at}.parts[{i}]"
        if not isinstance(part, _PARTS_OF[message.role]):
            raise InvalidRequest(f"{field}.{_WORDS[type(part)]}", f"is not allowed for role {message.role}")
        yield PART_CHARS + (len(part.arguments_json) if isinstance(part, ToolCall) else 0)
        if isinstance(part, ToolCall):
            parts.append((yield from _call(f"{field}.tool_call", part, calls)))
        else:
            _check_part(field, part, calls, answered)
            parts.append(part)
    return message if all(map(_is, parts, message.parts)) else replace(message, parts=tuple(parts))


def _check_part(at: str, part: Part, calls: set[str], answered: set[str]) -> None:
    match part:
        case Image():
            _check_image(f"{at}.image", part)
        case File():
            _check_file(f"{at}.file", part)
        case ToolResult():
            _check_result(f"{at}.tool_result", part, calls, answered)
        case Reasoning() if not part.model:
            raise InvalidRequest(f"{at}.reasoning.model", "must name the model that made it")


def _check_image(at: str, image: Image) -> None:
    if bool(image.data) == bool(image.url):
        raise InvalidRequest(at, "must have either data or url")
    if image.data:
        if image.media_type not in IMAGE_TYPES:
            raise InvalidRequest(f"{at}.media_type", f"must be one of {', '.join(sorted(IMAGE_TYPES))}")
    elif image.media_type:
        raise InvalidRequest(f"{at}.media_type", "must not be set together with url")
    elif not image.url.startswith(("https://", "http://")) or len(image.url.encode()) > MAX_URL_BYTES:
        raise InvalidRequest(
            f"{at}.url", f"must be an http or https URL of at most {MAX_URL_BYTES} bytes; send others as data"
        )


def _check_file(at: str, file: File) -> None:
    if not file.data:
        raise InvalidRequest(f"{at}.data", "must not be empty")
    if file.media_type not in FILE_TYPES:
        raise InvalidRequest(f"{at}.media_type", f"must be one of {', '.join(sorted(FILE_TYPES))}")
    if len(file.name.encode()) > MAX_FILE_NAME_BYTES:
        raise InvalidRequest(f"{at}.name", f"must have at most {MAX_FILE_NAME_BYTES} bytes")


def _call(at: str, call: ToolCall, calls: set[str]) -> Steps[ToolCall]:
    if not 1 <= len(call.id.encode()) <= MAX_CALL_ID_BYTES:
        raise InvalidRequest(f"{at}.id", f"must have 1 to {MAX_CALL_ID_BYTES} bytes")
    if call.id in calls:
        raise InvalidRequest(f"{at}.id", "must be unique in the conversation")
    calls.add(call.id)
    check_name(f"{at}.name", call.name)
    if call.opaque and not call.model:
        raise InvalidRequest(
            f"{at}.model", "must name the model that made the call, since opaque is for it alone"
        )
    if call.arguments_json and call.input:
        raise InvalidRequest(f"{at}.input", "must not be set together with arguments_json")
    if call.is_custom or call.input:
        return replace(call, is_custom=True)
    if call.arguments_invalid:
        return call
    arguments = yield from argument_steps(f"{at}.arguments_json", call.arguments_json)
    return call if arguments is call.arguments_json else replace(call, arguments_json=arguments)


def _check_result(at: str, result: ToolResult, calls: set[str], answered: set[str]) -> None:
    if result.tool_call_id not in calls:
        raise InvalidRequest(f"{at}.tool_call_id", "must be the id of an earlier tool_call")
    if result.tool_call_id in answered:
        raise InvalidRequest(f"{at}.tool_call_id", "must not have two results")
    answered.add(result.tool_call_id)
    check_part_count(at, len(result.parts))
    for i, part in enumerate(result.parts):
        if isinstance(part, Image):
            _check_image(f"{at}.parts[{i}].image", part)
        elif not isinstance(part, Text):
            raise InvalidRequest(f"{at}.parts[{i}].{_WORDS[type(part)]}", "must be text or image")


def _is(new: object, old: object) -> bool:
    return new is old
