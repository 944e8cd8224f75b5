"""Conversations in files: messages as OpenAI's chat API has them, text and calls of tools alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.domain.conversation import Message, Part, Role, Text, ToolCall, ToolResult


class BadMessages(ValueError):
    """Something is no conversation; the message says why, without its content."""


def read_messages(value: object) -> tuple[Message, ...]:
    """Return the messages of a list; raises BadMessages.

    A message of a tool may say `"is_error": true`, which OpenAI's form has no place for.
    """
    if not isinstance(value, list) or not value:
        raise BadMessages('"messages" must be a list of messages')
    return tuple(_message(each, f'"messages"[{index}]') for index, each in enumerate(value))


def moments(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Yield what a model was asked at each of its turns: all messages before it."""
    for index, message in enumerate(messages):
        if index and message.role is Role.ASSISTANT and messages[index - 1].role is not Role.ASSISTANT:
            yield messages[:index]
    if messages and messages[-1].role is not Role.ASSISTANT:
        yield messages


def _message(value: object, where: str) -> Message:
    if not isinstance(value, dict):
        raise BadMessages(f"{where} must be an object")
    role, text = value.get("role"), _text(value.get("content"), where)
    if role == "developer":
        role = Role.SYSTEM
    if not isinstance(role, str) or role not in frozenset(Role):
        raise BadMessages(f"{where}.role must be one of {', '.join(Role)}")
    if role == Role.TOOL:
        call_id, is_error = value.get("tool_call_id", ""), value.get("is_error", False)
        if not isinstance(call_id, str) or not isinstance(is_error, bool):
            raise BadMessages(f"{where}: tool_call_id must be text, and is_error true or false")
        result = ToolResult(tool_call_id=call_id, parts=(Text(text),), is_error=is_error)
        return Message(role=Role.TOOL, parts=(result,))
    calls = value.get("tool_calls") or []
    if not isinstance(calls, list):
        raise BadMessages(f"{where}.tool_calls must be a list")
    parts: list[Part] = [_call(each, f"{where}.tool_calls") for each in calls]
    if not parts:
        return Message(role=Role(role), content=text)
    return Message(role=Role(role), parts=(*((Text(text),) if text else ()), *parts))


def _text(content: object, where: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [None]
    texts = [str(each.get("text", "")) for each in parts if isinstance(each, dict)]
    if len(texts) < len(parts):
        raise BadMessages(f"{where}.content must be text, or a list of parts")
    return "".join(texts)


def _call(value: object, where: str) -> ToolCall:
    function: Mapping[str, Any] = value.get("function", {}) if isinstance(value, dict) else {}
    name = function.get("name") if isinstance(function, dict) else None
    arguments = function.get("arguments", "") if isinstance(function, dict) else None
    call_id = value.get("id", "") if isinstance(value, dict) else None
    if not (isinstance(name, str) and isinstance(arguments, str) and isinstance(call_id, str)):
        raise BadMessages(f'{where}: a call is {{"id", "function": {{"name", "arguments"}}}}, all text')
    return ToolCall(id=call_id, name=name, arguments_json=arguments)
