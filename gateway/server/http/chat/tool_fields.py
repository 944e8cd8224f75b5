"""Tools, and which of them may be called."""

from typing import Any

from gateway.domain.conversation import Tool, ToolChoice, ToolChoiceMode, ToolKind
from gateway.errors import InvalidRequest, Unsupported
from gateway.policy.http import HttpPolicy
from gateway.server.http.compact_json import compact_json
from gateway.server.http.members import Members

_BESIDE = ("type", "cache_control")
_MODES = {mode.value: mode for mode in ToolChoiceMode if mode is not ToolChoiceMode.NAMED}


def tools_of(members: Members, section: HttpPolicy) -> tuple[Tool, ...]:
    """Return the tools; those that only a provider can run are left out where the policy says so."""
    return tuple(
        _tool(tool)
        for tool in members.objects("tools")
        if not (section.drop_hosted_tools and is_hosted(tool.values))
    )


def is_hosted(tool: Any) -> bool:
    """Say whether a tool is one that the provider runs."""
    return isinstance(tool, dict) and tool.get("type", "function") not in ("function", "custom")


def _tool(tool: Members) -> Tool:
    """Return a tool; some clients send those of the Responses API, whose members are not in an object."""
    match tool.text("type") or "function":
        case "function":
            found = _function(_described(tool, "function"))
        case "custom":
            found = _custom(_described(tool, "custom"))
        case kind:
            raise Unsupported(tool.at("type"), f"{kind[:64]} is not supported: the gateway runs no tools")
    tool.refuse_rest(ignored=_BESIDE)
    return found


def _described(tool: Members, kind: str) -> Members:
    return tool if tool.text("name") else tool.needed_members(kind)


def _function(function: Members) -> Tool:
    parameters = function.members("parameters")
    found = Tool(
        name=function.needed_text("name"),
        description=function.text("description") or "",
        parameters_json_schema="" if parameters is None else compact_json(parameters.values),
        strict=function.flag("strict") or False,
    )
    function.refuse_rest(ignored=_BESIDE)
    return found


def _custom(custom: Members) -> Tool:
    found = Tool(
        name=custom.needed_text("name"),
        description=custom.text("description") or "",
        kind=ToolKind.CUSTOM,
        input_grammar=_grammar(custom),
    )
    custom.refuse_rest(ignored=_BESIDE)
    return found


def _grammar(custom: Members) -> str:
    form = custom.members("format")
    if form is None or form.text("type") == "text":
        return ""
    if form.text("type") != "grammar":
        raise InvalidRequest(form.at("type"), "must be text or grammar")
    return grammar_of(form.members("grammar") or form)


def grammar_of(grammar: Members) -> str:
    """Return what the text of a custom tool must match, as a Lark grammar."""
    definition, syntax = grammar.needed_text("definition"), grammar.text("syntax")
    if syntax == "regex":
        return f"start: /{definition.replace('/', chr(92) + '/')}/"
    if syntax != "lark":
        raise InvalidRequest(grammar.at("syntax"), "must be lark or regex")
    return definition


def tool_choice_of(members: Members) -> ToolChoice | None:
    """Return which tools may be called."""
    value = members.value("tool_choice")
    if value is None:
        return None
    if isinstance(value, str):
        return ToolChoice(mode=members.needed("tool_choice", _MODES))
    choice = members.needed_members("tool_choice")
    kind = choice.needed_text("type")
    if kind == "allowed_tools":
        raise Unsupported(choice.at("type"), "allowed_tools is not supported; send only the tools allowed")
    if kind not in ("function", "custom"):
        raise Unsupported(choice.at("type"), "must be function or custom")
    named = choice.needed_members(kind)
    return ToolChoice(mode=ToolChoiceMode.NAMED, name=named.needed_text("name"))
