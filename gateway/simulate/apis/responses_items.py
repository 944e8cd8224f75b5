"""The input items of the Responses API: strict parsing into messages, one for each item."""

from collections.abc import Mapping
from typing import Final, cast

from gateway.simulate.apis.sealed import unsealed
from gateway.simulate.chat_error import ChatError, object_of, require
from gateway.simulate.messages import CallKind, MadeCall, SentMessage

LONGEST_CALL_ID: Final = 64
"""Characters of a call's id that OpenAI takes."""
_ROLES: Final = ("user", "system", "developer", "assistant")
_INPUT_PARTS: Final = {"input_text": "text", "input_image": "image_url", "input_file": "file_data"}
_OUTPUT_PARTS: Final = {"output_text": "text", "refusal": "refusal"}
_PREFIXES: Final = {
    "message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc",
}  # fmt: skip
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "message": frozenset(("role", "content", "phase")),
    "reasoning": frozenset(("summary", "content", "encrypted_content")),
    "function_call": frozenset(("call_id", "name", "arguments", "namespace", "caller")),
    "custom_tool_call": frozenset(("call_id", "name", "input", "namespace", "caller")),
    "function_call_output": frozenset(("call_id", "output", "caller")),
    "custom_tool_call_output": frozenset(("call_id", "output", "caller")),
}
"""The types of items, and the fields of each beside type, id and status."""


def parse_items(value: object, *, model: str, instructions: object) -> tuple[SentMessage, ...]:
    """Parse `input` and `instructions`; raises ChatError for the first item that OpenAI would refuse."""
    require(isinstance(instructions, str | None), "instructions", "must be a string")
    before = [SentMessage(role="developer", content=str(instructions))] if instructions else []
    if isinstance(value, str):
        return (*before, SentMessage(role="user", content=value))
    require(isinstance(value, list) and bool(value), "input", "must be a string or a list of items")
    items = [_typed(item, f"input[{i}]") for i, item in enumerate(cast(list[object], value))]
    messages = [_message(item, f"input[{i}]", model) for i, item in enumerate(items)]
    _check_thoughts(items)
    _check_results(items)
    return (*before, *messages)


def _typed(value: object, at: str) -> dict[str, object]:
    require(isinstance(value, dict), at, "must be an object")
    item = {"type": "message"} | cast(dict[str, object], value)
    kind = str(item["type"])
    if kind == "item_reference":
        message = f"Item with id '{str(item.get('id'))[:64]}' not found. Items are not persisted here."
        raise ChatError(404, message, param="input")
    require(kind in _FIELDS, f"{at}.type", f"must be one of {', '.join(_FIELDS)}")
    unknown = sorted(set(item) - _FIELDS[kind] - {"type", "id", "status"})
    require(not unknown, f"{at}.{unknown[0][:64] if unknown else ''}", f"is no field of a {kind}")
    prefix = _PREFIXES.get(kind, "")
    item_id = item.get("id")
    is_own = item_id is None or (isinstance(item_id, str) and item_id.startswith(prefix))
    require(is_own, f"{at}.id", f"must begin with {prefix!r}")
    return item


def _message(item: Mapping[str, object], at: str, model: str) -> SentMessage:
    match item["type"]:
        case "message":
            role = item.get("role")
            require(role in _ROLES, f"{at}.role", f"must be one of {', '.join(_ROLES)}")
            parts = _OUTPUT_PARTS if role == "assistant" else _INPUT_PARTS
            content, attachments = _content(item.get("content"), f"{at}.content", parts)
            return SentMessage(role=str(role), content=content, attachments=attachments)
        case "reasoning":
            return _thought(item, at, model)
        case "function_call" | "custom_tool_call" as kind:
            return _call(item, at, "function" if kind == "function_call" else "custom")
    content, attachments = _content(item.get("output"), f"{at}.output", _INPUT_PARTS)
    return SentMessage(role="tool", content=content, call_id=_call_id(item, at), attachments=attachments)


def _content(value: object, at: str, parts: Mapping[str, str]) -> tuple[str, int]:
    """Return the joined texts, and the number of attachments."""
    if isinstance(value, str):
        return value, 0
    require(isinstance(value, list) and bool(value), at, "must be a string or a list of parts")
    texts, attachments = "", 0
    for i, part in enumerate(cast(list[object], value)):
        kind = str(object_of(part).get("type"))
        require(kind in parts, f"{at}[{i}].type", f"must be one of {', '.join(parts)}")
        held = object_of(part).get(parts[kind])
        is_id = kind in ("input_image", "input_file") and isinstance(object_of(part).get("file_id"), str)
        require(is_id or isinstance(held, str), f"{at}[{i}].{parts[kind]}", "must be a string")
        if parts[kind] in ("text", "refusal"):
            texts += str(held)
            continue
        starts = ("https://", "http://", "data:image/") if kind == "input_image" else ("data:",)
        is_url = is_id or str(held).startswith(starts)
        require(is_url, f"{at}[{i}].{parts[kind]}", f"must begin with {' or '.join(starts)}")
        attachments += 1
    return texts, attachments


def _thought(item: Mapping[str, object], at: str, model: str) -> SentMessage:
    summary, data = item.get("summary"), item.get("encrypted_content")
    require(isinstance(summary, list), f"{at}.summary", "must be a list")
    if data is None:
        item_id = str(item.get("id"))[:64]
        raise ChatError(
            404, f"Item with id '{item_id}' not found. Items are not persisted here.", param="input"
        )
    thought = unsealed(model, data) if isinstance(data, str) else None
    if thought is None:
        raise ChatError(
            400,
            f"The encrypted content {str(data)[:4]}...{str(data)[-4:]} could not be verified. "
            "Reason: Encrypted content could not be decrypted or parsed.",
            code="invalid_encrypted_content",
        )
    return SentMessage(role="assistant", content="", thought=thought)


def _call(item: Mapping[str, object], at: str, kind: CallKind) -> SentMessage:
    given = "arguments" if kind == "function" else "input"
    for key in ("name", given):
        require(isinstance(item.get(key), str), f"{at}.{key}", "must be a string")
    call = MadeCall(id=_call_id(item, at), name=str(item["name"]), arguments=str(item[given]), kind=kind)
    return SentMessage(role="assistant", content="", calls=(call,))


def _call_id(item: Mapping[str, object], at: str) -> str:
    call_id = item.get("call_id")
    is_id = isinstance(call_id, str) and 0 < len(call_id) <= LONGEST_CALL_ID
    require(is_id, f"{at}.call_id", f"must be a string of 1 to {LONGEST_CALL_ID} characters")
    return str(call_id)


def _check_thoughts(items: list[dict[str, object]]) -> None:
    """Check that each thought is followed by what the model said or called after it."""
    for item, following in zip(items, [*items[1:], {}], strict=True):
        is_own = following.get("type") in ("reasoning", "function_call", "custom_tool_call") or (
            following.get("type") == "message" and following.get("role") == "assistant"
        )
        if item["type"] == "reasoning" and not is_own:
            message = (
                f"Item '{str(item.get('id'))[:64]}' of type 'reasoning' was provided without its required "
                "following item."
            )
            raise ChatError(400, message, param="input")


def _check_results(items: list[dict[str, object]]) -> None:
    """Check that each call has a result behind it, and each result a call of its kind before it."""
    missing: dict[tuple[str, object], None] = {}
    seen: set[tuple[str, object]] = set()
    for item in items:
        kind = str(item["type"])
        key = kind.removesuffix("_output"), item.get("call_id")
        if kind in ("function_call", "custom_tool_call"):
            missing[key] = None
            seen.add(key)
        elif kind.endswith("_output"):
            if key not in seen:
                what = "function" if key[0] == "function_call" else "custom tool"
                raise ChatError(
                    400, f"No tool call found for {what} call output with call_id {key[1]}.", param="input"
                )
            missing.pop(key, None)
    if missing:
        (kind, call_id), *_ = missing
        what = "function" if kind == "function_call" else "custom tool"
        raise ChatError(400, f"No tool output found for {what} call {call_id}.", param="input")
