"""The messages of a request as OpenAI's chat completions have them: strict parsing into values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from gateway.simulate.chat_error import ChatError, object_of, require

ROLES: Mapping[str, frozenset[str]] = {
    "system": frozenset(("name",)),
    "developer": frozenset(("name",)),
    "user": frozenset(("name",)),
    "assistant": frozenset((
        "name", "refusal", "tool_calls", "reasoning_content", "reasoning", "reasoning_details",
        "extra_content",
    )),
    "tool": frozenset(("tool_call_id",)),
}  # fmt: skip
"""The roles, and the fields that a message of each may have beside role and content."""
PARTS = frozenset(("text", "image_url", "file", "input_audio", "refusal", "thinking"))
"""The types of content parts; each has its value in a field of that name."""
_USERS_ONLY = frozenset(("image_url", "file", "input_audio"))
_ASSISTANTS_ONLY = frozenset(("refusal", "thinking"))

CallKind = Literal["function", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCall:
    """A call of a tool; `arguments` is JSON, or free text for the kind `custom`."""

    id: str
    name: str
    arguments: str
    kind: CallKind = "function"
    signature: str = ""
    """Gemini's, given back to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """One message that the provider was sent."""

    role: str
    content: str
    """Its texts, joined."""
    calls: tuple[MadeCall, ...] = ()
    call_id: str = ""
    """The call whose result it is."""
    name: str = ""
    thought: str = ""
    """What the model thought, given back to it."""
    attachments: int = 0
    """How many images, files and sounds it has."""

    def texts(self) -> tuple[str, ...]:
        """Return every text in it that counts as tokens."""
        calls = (text for call in self.calls for text in (call.name, call.arguments))
        return (self.content, self.name, self.thought, *calls)

    def identity(self) -> list[object]:
        """Return what tells it from other messages, as JSON values."""
        rest = (
            [[call.id, call.name, call.arguments] for call in self.calls],
            self.call_id, self.name, self.thought, self.attachments,
        )  # fmt: skip
        return [self.role, self.content, *(rest if any(rest) else ())]


def parse_messages(value: object) -> tuple[SentMessage, ...]:
    """Parse the field `messages`; raises ChatError for the first message that OpenAI would refuse."""
    require(isinstance(value, list) and bool(value), "messages", "must be a list of at least one message")
    messages = tuple(
        _message(message, f"messages[{i}]") for i, message in enumerate(cast(list[object], value))
    )
    _check_results(messages)
    return messages


def _message(value: object, at: str) -> SentMessage:
    require(isinstance(value, dict), at, "must be an object")
    fields = cast(dict[str, object], value)
    require(fields.get("role") in ROLES, f"{at}.role", "must be a role")
    role = cast(str, fields["role"])
    unknown = sorted(set(fields) - {"role", "content"} - ROLES[role])
    require(not unknown, f"{at}.{unknown[0][:64] if unknown else ''}", f"is no field of a message of {role}")
    calls = _calls(fields.get("tool_calls"), f"{at}.tool_calls")
    content, thought, attachments = _content(fields.get("content"), f"{at}.content", role, bool(calls))
    thoughts = (_text(fields, key, at) for key in ("reasoning_content", "reasoning"))
    call_id = _text(fields, "tool_call_id", at)
    require(bool(call_id) or role != "tool", f"{at}.tool_call_id", "is missing")
    return SentMessage(
        role=role,
        content=content,
        calls=calls,
        call_id=call_id,
        name=_text(fields, "name", at),
        thought=thought + "".join(thoughts),
        attachments=attachments,
    )


def _text(fields: Mapping[str, object], key: str, at: str) -> str:
    value = fields.get(key)
    require(value is None or isinstance(value, str), f"{at}.{key}", "must be a string")
    return cast(str | None, value) or ""


def _content(value: object, at: str, role: str, has_calls: bool) -> tuple[str, str, int]:
    """Return the joined texts, the joined thoughts, and the number of attachments."""
    if value is None:
        require(has_calls, at, "must be a string or a list of parts")
        return "", "", 0
    if isinstance(value, str):
        return value, "", 0
    require(isinstance(value, list) and bool(value), at, "must be a string or a list of parts")
    texts, thoughts, attachments = "", "", 0
    for i, part in enumerate(cast(list[object], value)):
        kind = str(object_of(part).get("type"))
        held = object_of(part).get(kind)
        is_own = role == "user" if kind in _USERS_ONLY else role == "assistant" or kind == "text"
        require(kind in PARTS and is_own, f"{at}[{i}].type", f"is no type of content of {role}")
        if kind in ("text", "refusal"):
            require(isinstance(held, str), f"{at}[{i}].{kind}", "must be a string")
            texts += cast(str, held)
        elif kind == "thinking":
            thoughts += _thinking(held, f"{at}[{i}].thinking")
        else:
            _check_attachment(kind, held, f"{at}[{i}].{kind}")
            attachments += 1
    return texts, thoughts, attachments


def _thinking(value: object, at: str) -> str:
    parts = value if isinstance(value, list) else [None]
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    require(all(isinstance(text, str) for text in texts), at, "must be a list of text parts")
    return "".join(cast(list[str], texts))


def _check_attachment(kind: str, value: object, at: str) -> None:
    require(isinstance(value, dict), at, "must be an object")
    fields = cast(dict[str, object], value)
    if kind == "image_url":
        url = fields.get("url")
        is_url = isinstance(url, str) and url.startswith(("https://", "http://", "data:image/"))
        require(is_url, f"{at}.url", "must be a URL of http, https or data:image")
        detail = fields.get("detail", "auto")
        require(detail in ("auto", "low", "high", "original"), f"{at}.detail", "must be auto, low or high")
    elif kind == "file":
        has_data = isinstance(fields.get("file_data"), str) and isinstance(fields.get("filename"), str)
        require(has_data or isinstance(fields.get("file_id"), str), at, "must have filename and file_data")


def _calls(value: object, at: str) -> tuple[MadeCall, ...]:
    if value is None:
        return ()
    require(isinstance(value, list) and bool(value), at, "must be a list of at least one call")
    return tuple(_call(call, f"{at}[{i}]") for i, call in enumerate(cast(list[object], value)))


def _call(value: object, at: str) -> MadeCall:
    fields = object_of(value)
    kind: CallKind = "custom" if fields.get("type") == "custom" else "function"
    require(fields.get("type") == kind, f"{at}.type", "must be function or custom")
    body = object_of(fields.get(kind))
    arguments = "arguments" if kind == "function" else "input"
    for key in ("name", arguments):
        require(isinstance(body.get(key), str), f"{at}.{kind}.{key}", "must be a string")
    call_id = _text(fields, "id", at)
    require(bool(call_id), f"{at}.id", "is missing")
    google = object_of(object_of(fields.get("extra_content")).get("google"))
    return MadeCall(
        id=call_id,
        name=str(body["name"]),
        arguments=str(body[arguments]),
        kind=kind,
        signature=_text(google, "thought_signature", at),
    )


def _check_results(messages: tuple[SentMessage, ...]) -> None:
    """Check that each call has its results next, and each result its call, as OpenAI does."""
    missing: list[str] = []
    known: set[str] = set()
    for i, message in enumerate(messages):
        if message.role == "tool":
            if message.call_id not in known:
                raise ChatError(
                    400,
                    "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
                    param=f"messages[{i}].tool_call_id",
                )
            missing = [call_id for call_id in missing if call_id != message.call_id]
            continue
        _check_answered(missing)
        missing = [call.id for call in message.calls]
        known = set(missing)
    _check_answered(missing)


def _check_answered(missing: list[str]) -> None:
    if missing:
        raise ChatError(
            400,
            "an assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'; without a response: {', '.join(missing)[:200]}",
            param="messages",
        )
