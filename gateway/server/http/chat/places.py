"""Where a request for a chat completion holds a field of the contract, for errors that name it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.server.http.chat.messages import says_nothing
from gateway.server.http.chat.tool_fields import is_hosted

_CONFIG: Final = {
    "config.json_schema": "response_format.json_schema.schema",
    "config.json_object": "response_format",
    "config.reasoning": "reasoning_effort",
    "config.reasoning.effort": "reasoning_effort",
    "config.reasoning.budget_tokens": "reasoning.max_tokens",
}
_TOOL: Final = {"parameters_json_schema": "parameters", "input_grammar": "format"}
_MESSAGE: Final = re.compile(r"messages\[(\d+)\](?:\.parts(?:\[(\d+)\])?(?:\.(\w+))?(.*)|(.*))")
_ANY_TOOL: Final = re.compile(r"config\.tools\[(\d+)\](?:\.(\w+))?")


def place_of(field: str, body: Mapping[str, Any]) -> str:
    """Return the member, as exact as can be told without reading the request again."""
    if found := _MESSAGE.fullmatch(field):
        return _of_message(found, body)
    if found := _ANY_TOOL.fullmatch(field):
        return _of_tool(found, body)
    if field == "config.max_tokens" and body.get("max_tokens") is None:
        return "max_completion_tokens"
    if field == "config.top_logprobs" and body.get("top_logprobs") is None:
        return "logprobs"
    if field.startswith("config.tool_choice"):
        return "tool_choice"
    return _CONFIG.get(field, field.removeprefix("config."))


def _of_message(found: re.Match[str], body: Mapping[str, Any]) -> str:
    index, part, kind, rest, plain = found.groups()
    messages = body.get("messages")
    kept = [i for i, each in enumerate(messages or ()) if isinstance(each, dict) and not says_nothing(each)]
    at = f"messages[{kept[int(index)] if int(index) < len(kept) else index}]"
    match kind:
        case None if plain is not None:
            return f"{at}{plain}"
        case "tool_call":
            return f"{at}.tool_calls"
        case "tool_result" if rest == ".tool_call_id":
            return f"{at}.tool_call_id"
        case "image" | "file" | "text" if part is not None:
            return f"{at}.content[{part}]"
    return f"{at}.content"


def _of_tool(found: re.Match[str], body: Mapping[str, Any]) -> str:
    tools = body.get("tools") or []
    dropped = [i for i, tool in enumerate(tools) if is_hosted(tool)]
    index = int(found[1])
    for i in dropped:
        index += i <= index
    tool = tools[index] if index < len(tools) else {}
    kind = "custom" if isinstance(tool, dict) and tool.get("type") == "custom" else "function"
    at = f"tools[{index}]" if isinstance(tool, dict) and tool.get("name") else f"tools[{index}].{kind}"
    return at + (f".{_TOOL.get(found[2], found[2])}" if found[2] else "")
