"""The messages of a chat completion."""

from collections.abc import Mapping
from typing import Any

from gateway.domain.conversation import File, Image, Message, Part, Role, Text, ToolCall, ToolResult
from gateway.domain.text.schema_bounds import NOT_JSON, strict_json
from gateway.errors import InvalidRequest, Unsupported
from gateway.server.http.chat.content import content_of
from gateway.server.http.chat.thoughts import WORDS, signature_of, thoughts_of
from gateway.server.http.members import Members
from gateway.server.validation.json_text import ARGUMENTS

ROLES: Mapping[str, Role] = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
}
HARMLESS = frozenset({"annotations", "id", "metadata", "cache_control", "prefix", "reasoning_details"})
"""Members of messages that clients send back, and that say nothing; `prefix` asks for what is done anyway."""
_SAYS_NOTHING = frozenset({"role", "name", *WORDS, *HARMLESS})
"""A turn of thoughts alone, which a client keeps of a cut answer, says as little as an empty one."""


def messages_of(members: Members, *, asked_model: str) -> tuple[Message, ...]:
    """Return the messages that say something; raises InvalidRequest."""
    if not members.items("messages"):
        raise InvalidRequest("messages", "must be there, a list with a message")
    return tuple(
        _message(message, asked_model=asked_model)
        for message in members.objects("messages")
        if not says_nothing(message.values)
    )


def says_nothing(message: Mapping[str, Any]) -> bool:
    """Say whether it is an empty turn of the system or a model, which clients keep in their histories."""
    if message.get("role") not in ("system", "developer", "assistant"):
        return False
    return not any(message.get(name) for name in message if name not in _SAYS_NOTHING)


def _message(message: Members, *, asked_model: str) -> Message:
    if message.value("role") == "function":
        raise Unsupported(message.at("role"), "function is the older form of tool; send role tool")
    role = message.known("role", ROLES)
    if role is None:
        raise InvalidRequest(message.at("role"), f"must be one of {', '.join(ROLES)}")
    name = message.text("name") or ""
    parts = _said(message, role, asked_model=asked_model)
    message.refuse_rest(ignored=HARMLESS)
    match parts:
        case (Text(text),):
            return Message(role=role, content=text, name=name)
        case ():
            return Message(role=role, content="", name=name)
    return Message(role=role, parts=parts, name="" if role is Role.TOOL else name)


def _said(message: Members, role: Role, *, asked_model: str) -> tuple[Part, ...]:
    content = content_of(message)
    match role:
        case Role.TOOL:
            return (_result(message, content),)
        case Role.ASSISTANT:
            return _answer(message, content, asked_model=asked_model)
    return content


def _result(message: Members, content: tuple[Text | Image | File, ...]) -> ToolResult:
    kept = tuple(part for part in content if not isinstance(part, File))
    if len(kept) < len(content):
        raise Unsupported(message.at("content"), "must be text and images: no model reads files of a tool")
    return ToolResult(tool_call_id=message.needed_text("tool_call_id"), parts=kept)


def _answer(
    message: Members, content: tuple[Text | Image | File, ...], *, asked_model: str
) -> tuple[Part, ...]:
    """Return what a model said: thoughts, text, calls."""
    message.refuse("audio", "is not supported: no model here speaks")
    message.refuse("function_call", "is the older form of tool_calls; send tool_calls")
    refusal = message.text("refusal")
    said: list[Part] = [*content, *([Text(refusal)] if refusal else [])]
    kept = [part for part in said if not isinstance(part, Text) or part.text]
    calls = map(_call, message.objects("tool_calls"))
    return (*thoughts_of(message, asked_model=asked_model), *kept, *calls)


def _call(call: Members) -> ToolCall:
    call_id = call.needed_text("id")
    kind = call.text("type") or "function"
    model, opaque = signature_of(call)
    match kind:
        case "function":
            function = call.needed_members("function")
            arguments = function.text("arguments") or ""
            found = ToolCall(
                id=call_id,
                name=function.needed_text("name"),
                arguments_json=arguments,
                arguments_invalid=not is_json(arguments),
                opaque=opaque,
                model=model,
            )
            function.refuse_rest()
        case "custom":
            custom = call.needed_members("custom")
            found = ToolCall(
                id=call_id,
                name=custom.needed_text("name"),
                input=custom.text("input") or "",
                is_custom=True,
                opaque=opaque,
                model=model,
            )
            custom.refuse_rest()
        case _:
            raise Unsupported(call.at("type"), "must be function or custom")
    call.refuse_rest(ignored=("index",))
    return found


def is_json(arguments: str) -> bool:
    """Say whether arguments can be read; those that cannot are kept as the text that they are.

    Those that are too large or too deep are not looked into: the check of the request refuses them.
    """
    if problem := ARGUMENTS.problem(arguments):
        return problem != NOT_JSON
    try:
        strict_json(arguments.strip() or "{}")
    except ValueError:
        return False
    return True
