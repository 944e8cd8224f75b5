"""Every string of a request that a model can be sent, for whoever scans, masks or counts them.

A new field of a request that holds a caller's text is added to `_message`, `_part`, `_config` or `_tool`, and
nowhere else. Fields of bytes are in `opaque_strings`, or in `unreadable_places`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from gateway.domain.request import GenerationConfig, Request

OUTSIDE_MESSAGES = -1
"""The message index of strings in `config`."""


class RequestString(NamedTuple):
    """One string of a request, and where it is."""

    message_index: int
    path: str
    """In its message, or outside messages in the request: `parts[0].tool_call.arguments_json`."""
    text: str
    is_json: bool = False
    """Whether it is a JSON text, which has to stay one."""

    @property
    def is_id(self) -> bool:
        """Whether it is the id of a call of a tool."""
        return self.path.endswith((".id", ".tool_call_id"))

    @property
    def is_opaque(self) -> bool:
        """Whether it is what a provider wants back, as it came."""
        return self.path.endswith(".opaque")


class UnreadablePlace(NamedTuple):
    """Bytes of a request that cannot be scanned, and where they are."""

    message_index: int
    path: str


TOKENS_OF_AN_IMAGE = 1_000
"""A rough count for one: 85 to 1,105 at OpenAI's models, up to 1,600 at Anthropic's."""
_FILE_BYTES_PER_TOKEN = 4
_Value = TypeVar("_Value")
_AnyPart = TypeVar("_AnyPart", bound=Part)

Change = Callable[[RequestString], str]
"""Returns what takes the place of a string; the same string where nothing does."""


def strings_of(request: Request) -> list[RequestString]:
    """Return every string of a request that a model can be sent, messages first."""
    found: list[RequestString] = []

    def take(string: RequestString) -> str:
        found.append(string)
        return string.text

    for index, message in enumerate(request.messages):
        if message.parts or message.name:
            _message(message, index, take)
        else:
            found.append(RequestString(index, "content", message.content))
    _config(request.config, take)
    return found


def opaque_strings(request: Request) -> list[RequestString]:
    """Return the signatures and encrypted thoughts of a request as text, whatever they are."""
    return [RequestString(*place, data.decode("utf-8", "replace")) for place, data in _opaque(request)]


def unreadable_places(request: Request) -> list[UnreadablePlace]:
    """Return the images and files of a request, also those behind URLs, and opaque bytes that are no text."""
    found = [place for place, data in _opaque(request) if not _is_text(data)]
    for index, message in enumerate(request.messages):
        for i, part in enumerate(message.parts):
            inner = part.parts if isinstance(part, ToolResult) else ()
            if isinstance(part, Image | File):
                kind = "image" if isinstance(part, Image) else "file"
                found.append(UnreadablePlace(index, f"parts[{i}].{kind}"))
            found += (
                UnreadablePlace(index, f"parts[{i}].tool_result.parts[{j}].image")
                for j, each in enumerate(inner)
                if isinstance(each, Image)
            )
    return sorted(found)


def _opaque(request: Request) -> Iterator[tuple[UnreadablePlace, bytes]]:
    for index, message in enumerate(request.messages):
        for i, part in enumerate(message.parts):
            if isinstance(part, ToolCall | Reasoning) and part.opaque:
                kind = "tool_call" if isinstance(part, ToolCall) else "reasoning"
                yield UnreadablePlace(index, f"parts[{i}].{kind}.opaque"), part.opaque


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char.isspace() for char in text)


def estimate_prompt_tokens(request: Request) -> int:
    """Return a rough count of a prompt's tokens: UTF-8 bytes of messages and tools / 4, and images."""
    text_bytes = sum(
        _utf8_bytes(string.text)
        for string in strings_of(request)
        if string.message_index >= 0 or string.path.startswith("config.tools")
    )
    return -(-text_bytes // 4) + unreadable_tokens(request, each=TOKENS_OF_AN_IMAGE)


def unreadable_tokens(request: Request, *, each: int) -> int:
    """Return how many tokens its images and files count: `each` an image, and a document by its bytes."""
    return sum(
        each if isinstance(part, Image) else each + len(part.data) // _FILE_BYTES_PER_TOKEN
        for message in request.messages
        if message.parts
        for part in message.unreadable_parts
    )


def without_bytes(request: Request) -> Request:
    """Return the request without the bytes of its images and files: whoever scans cannot read them."""
    messages = _all(request.messages, map(_message_without_bytes, request.messages))
    return request if messages is request.messages else replace(request, messages=messages)


def _message_without_bytes(message: Message) -> Message:
    return _with(message, parts=_all(message.parts, map(_part_without_bytes, message.parts)))


def _part_without_bytes(part: _AnyPart) -> _AnyPart:
    match part:
        case Image() | File():
            return replace(part, data=b"") if part.data else part
        case ToolResult():
            return _with(part, parts=_all(part.parts, map(_part_without_bytes, part.parts)))
    return part


def with_texts(request: Request, texts: Mapping[tuple[int, str], str]) -> Request:
    """Return the request with other texts in some places, each named by index of message and path."""
    touched = {index for index, _ in texts}

    def change(string: RequestString) -> str:
        return texts.get((string.message_index, string.path), string.text)

    messages = _all(
        request.messages,
        (_message(each, i, change) if i in touched else each for i, each in enumerate(request.messages)),
    )
    config = _config(request.config, change) if OUTSIDE_MESSAGES in touched else request.config
    if messages is request.messages and config is request.config:
        return request
    return replace(request, messages=messages, config=config)


def _message(message: Message, index: int, change: Change) -> Message:
    if not message.parts and not message.name:
        content = change(RequestString(index, "content", message.content))
        return message if content is message.content else replace(message, content=content)

    def at(path: str, text: str, *, is_json: bool = False) -> str:
        return change(RequestString(index, path, text, is_json)) if text else text

    if not message.parts:
        content = change(RequestString(index, "content", message.content))
        return _with(message, content=content, name=at("name", message.name))
    parts = _all(message.parts, (_part(part, f"parts[{i}]", at) for i, part in enumerate(message.parts)))
    return _with(message, parts=parts, name=at("name", message.name))


def _part(part: _AnyPart, path: str, at: Callable[..., str]) -> _AnyPart:
    match part:
        case Text():
            return _with(part, text=at(f"{path}.text", part.text))
        case Image():
            return _with(part, url=at(f"{path}.image.url", part.url))
        case File():
            return _with(part, name=at(f"{path}.file.name", part.name))
        case ToolCall():
            call = f"{path}.tool_call"
            return _with(
                part,
                id=at(f"{call}.id", part.id),
                name=at(f"{call}.name", part.name),
                arguments_json=at(
                    f"{call}.arguments_json", part.arguments_json, is_json=not part.arguments_invalid
                ),
                input=at(f"{call}.input", part.input),
            )
        case ToolResult():
            result = f"{path}.tool_result"
            return _with(
                part,
                tool_call_id=at(f"{result}.tool_call_id", part.tool_call_id),
                parts=_all(
                    part.parts,
                    (_part(inner, f"{result}.parts[{i}]", at) for i, inner in enumerate(part.parts)),
                ),
            )
        case Reasoning():
            return _with(part, text=at(f"{path}.reasoning.text", part.text))


def _config(config: GenerationConfig, change: Change) -> GenerationConfig:
    if not (config.stop or config.tools or config.json_schema or config.grammar):
        return config

    def at(path: str, text: str, *, is_json: bool = False) -> str:
        return change(RequestString(OUTSIDE_MESSAGES, path, text, is_json)) if text else text

    stop = _all(config.stop, (at(f"config.stop[{i}]", each) for i, each in enumerate(config.stop)))
    tools = _all(config.tools, (_tool(each, f"config.tools[{i}]", at) for i, each in enumerate(config.tools)))
    schema, grammar = config.json_schema, config.grammar
    return _with(
        config,
        stop=stop,
        json_schema=at("config.json_schema", schema, is_json=True) if schema else schema,
        tools=tools,
        grammar=at("config.grammar", grammar) if grammar else grammar,
    )


def _tool(tool: Tool, path: str, at: Callable[..., str]) -> Tool:
    return _with(
        tool,
        name=at(f"{path}.name", tool.name),
        description=at(f"{path}.description", tool.description),
        parameters_json_schema=at(
            f"{path}.parameters_json_schema", tool.parameters_json_schema, is_json=True
        ),
        input_grammar=at(f"{path}.input_grammar", tool.input_grammar),
    )


def _with(value: _Value, **changed: object) -> _Value:
    """Return the value with its fields changed; the same value if none is another object."""
    if all(getattr(value, name) is new for name, new in changed.items()):
        return value
    return replace(value, **changed)  # type: ignore[type-var]  # Values of the domain are dataclasses.


def _all(before: tuple[_Value, ...], after: Iterable[_Value]) -> tuple[_Value, ...]:
    changed = tuple(after)
    same = all(new is old for new, old in zip(changed, before, strict=True))
    return before if same else changed


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
