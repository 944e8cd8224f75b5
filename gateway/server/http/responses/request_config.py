"""How to generate, from the members of a response's request."""

from collections.abc import Iterator

from gateway.domain.conversation import (
    ReasoningConfig,
    Tool,
    ToolChoice,
    ToolChoiceMode,
    ToolKind,
)
from gateway.domain.request import GenerationConfig
from gateway.errors import InvalidRequest, Unsupported
from gateway.policy.http import HttpPolicy
from gateway.server.http.chat.config_fields import EFFORTS
from gateway.server.http.chat.tool_fields import grammar_of
from gateway.server.http.compact_json import compact_json
from gateway.server.http.members import Members
from gateway.server.http.responses.namespaces import joined_name

_MODES = {each.value: each for each in ToolChoiceMode if each is not ToolChoiceMode.NAMED}
HOSTED = "is a tool that only a provider can run; the gateway runs none"
LOGPROBS = "message.output_text.logprobs"


def config_of(members: Members, section: HttpPolicy) -> GenerationConfig:
    """Return the configuration; raises InvalidRequest with the path of a member."""
    choice, allowed = _choice(members)
    tools = tuple(tool for _, tool in _tools(members, section) if allowed is None or tool.name in allowed)
    json_schema, json_object = _form(members)
    parallel = members.flag("parallel_tool_calls")
    return GenerationConfig(
        max_tokens=members.integer("max_output_tokens"),
        temperature=members.number("temperature"),
        top_p=members.number("top_p"),
        json_schema=json_schema,
        json_object=json_object,
        tools=tools,
        tool_choice=choice if tools or choice is None or choice.mode is not ToolChoiceMode.AUTO else None,
        parallel_tool_calls=parallel if tools else None,
        reasoning=_reasoning(members),
        top_logprobs=_top_logprobs(members),
    )


def tool_places(members: Members) -> list[str]:
    """Return by tool of the configuration, the path of it; raises InvalidRequest."""
    _, allowed = _choice(members)
    tools = _tools(members, HttpPolicy(drop_hosted_tools=True))
    return [path for path, tool in tools if allowed is None or tool.name in allowed]


def _tools(members: Members, section: HttpPolicy) -> Iterator[tuple[str, Tool]]:
    """Yield tools, each with its path."""
    for tool in members.objects("tools"):
        if tool.text("type") == "namespace":
            namespace = tool.needed_text("name")
            for inner in tool.objects("tools"):
                yield from _tool(inner, section, namespace=namespace)
            tool.refuse_rest(ignored=("description",))
        else:
            yield from _tool(tool, section)


def _tool(tool: Members, section: HttpPolicy, *, namespace: str | None = None) -> Iterator[tuple[str, Tool]]:
    kind = tool.needed_text("type")
    match kind:
        case "function":
            parameters = tool.members("parameters")
            function = Tool(
                name=joined_name(namespace, tool.needed_text("name")),
                description=tool.text("description") or "",
                parameters_json_schema="" if parameters is None else compact_json(parameters.values),
                strict=bool(tool.flag("strict")),
            )
            yield tool.path, function
            tool.only("async", False)
            tool.refuse_rest(ignored=("defer_loading", "allowed_callers", "output_schema"))
        case "custom":
            custom = Tool(
                name=joined_name(namespace, tool.needed_text("name")),
                description=tool.text("description") or "",
                kind=ToolKind.CUSTOM,
                input_grammar=_grammar(tool.members("format")),
            )
            yield tool.path, custom
            tool.only("async", False)
            tool.refuse_rest(ignored=("defer_loading", "allowed_callers"))
        case _ if not section.drop_hosted_tools:
            raise Unsupported(tool.at("type"), f"{kind[:64]} {HOSTED}; leave it out")


def _grammar(form: Members | None) -> str:
    if form is None or form.needed_text("type") == "text":
        return ""
    if form.needed_text("type") != "grammar":
        raise InvalidRequest(form.at("type"), "must be text or grammar")
    grammar = grammar_of(form)
    form.refuse_rest()
    return grammar


def _choice(members: Members) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """Return which tools are called, and the names to which a request narrows its own tools."""
    value = members.value("tool_choice")
    if value is None:
        return None, None
    if isinstance(value, str):
        return ToolChoice(mode=members.needed("tool_choice", _MODES)), None
    choice = members.needed_members("tool_choice")
    match kind := choice.needed_text("type"):
        case "function" | "custom":
            name = joined_name(choice.text("namespace"), choice.needed_text("name"))
            choice.refuse_rest()
            return ToolChoice(mode=ToolChoiceMode.NAMED, name=name), None
        case "allowed_tools":
            mode = choice.known("mode", _MODES) or ToolChoiceMode.AUTO
            names = frozenset(
                joined_name(tool.text("namespace"), tool.needed_text("name"))
                for tool in choice.objects("tools")
                if tool.text("type") in (None, "function", "custom")
            )
            choice.refuse_rest()
            return ToolChoice(mode=mode), names
    raise Unsupported(choice.at("type"), f"{kind[:64]} {HOSTED}")


def _form(members: Members) -> tuple[str | None, bool]:
    """Return the JSON schema of the answer, and whether it is to be any JSON object."""
    text = members.members("text")
    if text is None:
        return None, False
    form = text.members("format")
    text.refuse_rest(ignored=("verbosity",))
    if form is None:
        return None, False
    match form.needed_text("type"):
        case "text":
            return None, False
        case "json_object":
            return None, True
        case "json_schema":
            schema = compact_json(form.needed_members("schema").values)
            form.refuse_rest(ignored=("type", "name", "strict", "description"))
            return schema, False
    raise InvalidRequest(form.at("type"), "must be text, json_object or json_schema")


def _reasoning(members: Members) -> ReasoningConfig:
    reasoning = members.members("reasoning")
    if reasoning is None:
        return ReasoningConfig()
    effort = reasoning.known("effort", EFFORTS)
    reasoning.only("mode", "standard")
    reasoning.refuse_rest(ignored=("summary", "generate_summary", "context"))
    return ReasoningConfig(effort=effort)


def _top_logprobs(members: Members) -> int | None:
    wanted = members.integer("top_logprobs")
    included = members.items("include")
    for i, each in enumerate(included):
        if not isinstance(each, str):
            raise InvalidRequest(f"include[{i}]", "must be a string")
    return wanted or 0 if wanted or LOGPROBS in included else None
