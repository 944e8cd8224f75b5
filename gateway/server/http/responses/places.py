"""Where a request for a response holds a field of the contract, for errors that name it."""

import re
from typing import Final

from gateway.errors import InvalidRequest
from gateway.server.http.dialect import Body
from gateway.server.http.members import Members
from gateway.server.http.responses.input_items import turns_of
from gateway.server.http.responses.request_config import tool_places

_CONFIG: Final = {
    "config.max_tokens": "max_output_tokens",
    "config.json_schema": "text.format.schema",
    "config.json_object": "text.format",
    "config.reasoning.effort": "reasoning.effort",
}
_MESSAGE: Final = re.compile(r"messages\[(\d+)\].*")
_TOOL: Final = re.compile(r"config\.tools\[(\d+)\](?:\.(\w+))?")
_TOOL_MEMBERS: Final = {"parameters_json_schema": "parameters", "input_grammar": "format"}


def place_of(field: str, body: Body) -> str:
    """Return the member, or the first item of the turn, that holds a field."""
    if found := _MESSAGE.fullmatch(field):
        return _of_message(int(found[1]), body)
    if found := _TOOL.fullmatch(field):
        at = _of_tool(int(found[1]), body)
        return at + (f".{_TOOL_MEMBERS.get(found[2], found[2])}" if found[2] else "")
    if field == "config.top_logprobs" and body.get("top_logprobs") is None:
        return "include"
    if field.startswith("config.tool_choice"):
        return "tool_choice"
    return "input" if field == "messages" else _CONFIG.get(field, field.removeprefix("config."))


def _of_message(index: int, body: Body) -> str:
    try:
        places = turns_of(Members(body)).places
    except InvalidRequest:
        return "input"
    return places[index] if index < len(places) else "input"


def _of_tool(index: int, body: Body) -> str:
    try:
        places = tool_places(Members(body))
    except InvalidRequest:
        return "tools"
    return places[index] if index < len(places) else "tools"
