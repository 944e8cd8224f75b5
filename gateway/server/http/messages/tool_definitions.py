"""Tools of a request, and which of them may be called."""

import json
from typing import Final

from gateway.domain.conversation import Tool, ToolChoice, ToolChoiceMode
from gateway.errors import Unsupported
from gateway.server.http.members import Members
from gateway.server.http.messages.content_blocks import CACHE, shown_type

_CUSTOM: Final = "custom"
"""The type of a tool that the caller describes and runs; any other one is made up by Anthropic."""
_IGNORED: Final = frozenset({
    CACHE, "allowed_callers", "defer_loading", "eager_input_streaming", "input_examples",
})  # fmt: skip
_CHOICES: Final = {
    "auto": ToolChoiceMode.AUTO,
    "any": ToolChoiceMode.REQUIRED,
    "none": ToolChoiceMode.NONE,
    "tool": ToolChoiceMode.NAMED,
}


def tools_of(request: Members, *, drops_hosted: bool) -> list[tuple[Tool, str]]:
    """Return each tool with its place; raises Unsupported for a tool of the provider."""
    found: list[tuple[Tool, str]] = []
    for i, tool in enumerate(request.objects("tools")):
        kind = tool.text("type")
        if kind in (None, _CUSTOM):
            found.append((_tool(tool), f"tools[{i}]"))
        elif not drops_hosted:
            raise Unsupported(
                tool.at("type"),
                f"{shown_type(kind or '')} is a tool that only its provider knows; leave it out, describe a "
                "tool of your own, or have the policy set http: {drop_hosted_tools: true}",
            )
    return found


def choice_of(request: Members) -> tuple[ToolChoice | None, bool | None]:
    """Return which tools may be called, and whether several concurrently; None: nothing is said of it."""
    choice = request.members("tool_choice")
    if choice is None:
        return None, None
    mode = choice.needed("type", _CHOICES)
    name = choice.needed_text("name") if mode is ToolChoiceMode.NAMED else ""
    is_single = choice.flag("disable_parallel_tool_use")
    choice.refuse_rest()
    return ToolChoice(mode=mode, name=name), None if is_single is None else not is_single


def _tool(tool: Members) -> Tool:
    schema = json.dumps(tool.needed_members("input_schema").values, ensure_ascii=False)
    read = Tool(
        name=tool.needed_text("name"),
        description=tool.text("description") or "",
        parameters_json_schema=schema,
        strict=bool(tool.flag("strict")),
    )
    tool.refuse_rest(ignored=_IGNORED)
    return read
