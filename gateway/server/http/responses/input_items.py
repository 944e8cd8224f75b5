"""The input of a response as messages: items that belong to one turn of a model are joined."""

from collections.abc import Callable, Mapping

from gateway.domain.conversation import (
    File,
    Image,
    ImageDetail,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.errors import InvalidRequest, Unsupported
from gateway.server.http.chat.content import HINTS
from gateway.server.http.chat.messages import is_json
from gateway.server.http.chat.thoughts import signature_of
from gateway.server.http.data_urls import file_of, image_of
from gateway.server.http.members import Members
from gateway.server.http.opaque import unwrap
from gateway.server.http.responses.namespaces import joined_name

_DETAILS = {**{each.value: each for each in ImageDetail}, "original": ImageDetail.HIGH}
_ROLES = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}


class InputTurns:
    """Collects messages, and where in the input each of them began."""

    def __init__(self) -> None:
        self._turns: list[tuple[Role, list[Part]]] = []
        self.places: list[str] = []
        """By message, the path of its first item."""

    def add(self, role: Role, parts: list[Part], *, place: str, joins: bool) -> None:
        """Add parts to the last message, if it is of the same role and may be joined, or as a new one."""
        if joins and self._turns and self._turns[-1][0] is role:
            self._turns[-1][1].extend(parts)
        else:
            self._turns.append((role, parts))
            self.places.append(place)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages; a single text is content."""
        return tuple(_message(role, parts) for role, parts in self._turns)


def turns_of(members: Members) -> InputTurns:
    """Return the turns of `instructions` and `input`; raises InvalidRequest with the path of an item."""
    turns = InputTurns()
    instructions = members.text("instructions")
    if instructions:
        turns.add(Role.SYSTEM, [Text(instructions)], place="instructions", joins=False)
    given = members.value("input")
    if isinstance(given, str):
        turns.add(Role.USER, [Text(given)], place="input", joins=False)
        return turns
    for item in members.objects("input"):
        _add(turns, item)
    return turns


def _add(turns: InputTurns, item: Members) -> None:
    kind = item.text("type") or "message"
    if kind not in _KINDS:
        raise Unsupported(item.at("type"), f"is {kind[:64]}: {_NOT_HERE.get(kind, 'is not known here')}")
    role, parts = _KINDS[kind](item)
    if parts:
        joins = role is Role.TOOL or role is Role.ASSISTANT
        turns.add(role, parts, place=item.path, joins=joins)


_NOT_HERE = {
    "item_reference": "nothing is stored that it could refer to; send the item itself",
    **dict.fromkeys(
        (
            "apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "computer_call",
            "computer_call_output", "file_search_call", "image_generation_call", "local_shell_call",
            "local_shell_call_output", "mcp_approval_request", "mcp_approval_response", "mcp_call",
            "mcp_list_tools", "shell_call", "shell_call_output", "tool_search_call", "tool_search_output",
            "web_search_call",
        ),
        "the gateway runs no tools; leave it out",
    ),
    "compaction": "no answer here was compacted; leave it out",
}  # fmt: skip


def _message_item(item: Members) -> tuple[Role, list[Part]]:
    role = item.known("role", _ROLES)
    if role is None:
        raise InvalidRequest(item.at("role"), "must be there")
    content = item.value("content")
    item.refuse_rest(ignored=("type", "id", "status", "phase"))
    if isinstance(content, str):
        parts: list[Part] = [Text(content)]
    else:
        parts = [_content(part) for part in item.objects("content")]
    if role is Role.ASSISTANT:  # A turn without words, which clients keep in their histories.
        return role, [part for part in parts if not isinstance(part, Text) or part.text]
    if not parts:
        raise InvalidRequest(item.at("content"), "must be there, a string or a list of parts")
    return role, parts


def _content(part: Members) -> Part:
    kind = part.text("type")
    match kind:
        case "input_text" | "output_text" | "text" | "summary_text":
            text = part.needed_text("text")
            part.refuse_rest(ignored=(*HINTS, "logprobs"))
            return Text(text)
        case "refusal":
            return Text(part.needed_text("refusal"))
        case "input_image":
            return _image(part)
        case "input_file":
            return _file(part)
    raise Unsupported(part.at("type"), "must be input_text, output_text, refusal, input_image or input_file")


def _image(part: Members) -> Image:
    part.refuse("file_id", "no files are stored here; send image_url")
    url = part.needed_text("image_url")
    detail = part.known("detail", _DETAILS)
    part.refuse_rest(ignored=HINTS)
    return image_of(url, detail=detail, at=part.at("image_url"))


def _file(part: Members) -> File:
    for name in ("file_id", "file_url"):
        part.refuse(name, "nothing is stored or fetched here; send file_data")
    coded, filename = part.needed_text("file_data"), part.text("filename") or ""
    part.refuse_rest(ignored=(*HINTS, "detail"))
    return file_of(coded, name=filename, at=part.at("file_data"))


def _function_call(item: Members) -> tuple[Role, list[Part]]:
    name = joined_name(item.text("namespace"), item.needed_text("name"))
    arguments = item.needed_text("arguments")
    model, opaque = signature_of(item)
    call = ToolCall(
        id=item.needed_text("call_id"),
        name=name,
        arguments_json=arguments,
        arguments_invalid=not is_json(arguments),
        opaque=opaque,
        model=model,
    )
    item.refuse_rest(ignored=("type", "id", "status", "caller", "async"))
    return Role.ASSISTANT, [call]


def _custom_call(item: Members) -> tuple[Role, list[Part]]:
    name = joined_name(item.text("namespace"), item.needed_text("name"))
    model, opaque = signature_of(item)
    call = ToolCall(
        id=item.needed_text("call_id"),
        name=name,
        input=item.needed_text("input"),
        is_custom=True,
        opaque=opaque,
        model=model,
    )
    item.refuse_rest(ignored=("type", "id", "status", "caller", "async"))
    return Role.ASSISTANT, [call]


def _result(item: Members) -> tuple[Role, list[Part]]:
    output = item.value("output")
    parts: tuple[Text | Image, ...]
    if output is None:
        raise InvalidRequest(item.at("output"), "must be there, a string or a list of parts")
    if isinstance(output, str):
        parts = (Text(output),)
    else:
        parts = tuple(_result_part(part) for part in item.objects("output"))
    result = ToolResult(tool_call_id=item.needed_text("call_id"), parts=parts)
    item.refuse_rest(ignored=("type", "id", "status", "caller", "name", "namespace"))
    return Role.TOOL, [result]


def _result_part(part: Members) -> Text | Image:
    content = _content(part)
    if not isinstance(content, Text | Image):
        raise Unsupported(part.at("type"), "must be text or an image in a result of a tool")
    return content


def _reasoning(item: Members) -> tuple[Role, list[Part]]:
    """Return a thought for the model that had it; one that came from elsewhere is of no use to anybody."""
    texts = [part.needed_text("text") for name in ("summary", "content") for part in item.objects(name)]
    model, opaque = unwrap(item.text("encrypted_content") or "")
    item.refuse_rest(ignored=("type", "id", "status"))
    if not model:
        return Role.ASSISTANT, []
    return Role.ASSISTANT, [Reasoning(text="\n\n".join(texts), model=model, opaque=opaque)]


_KINDS: Mapping[str, Callable[[Members], tuple[Role, list[Part]]]] = {
    "message": _message_item,
    "function_call": _function_call,
    "function_call_output": _result,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _result,
    "reasoning": _reasoning,
}


def _message(role: Role, parts: list[Part]) -> Message:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return Message(role=role, content=parts[0].text)
    return Message(role=role, parts=tuple(parts))
