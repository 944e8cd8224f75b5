"""Tools as the Messages API has them, and an answer in JSON as the input of a tool."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.backends.http.finish import FinishMeaning
from gateway.domain.conversation import Tool, ToolCall, ToolChoiceMode, ToolKind
from gateway.domain.request import GenerationConfig, Request
from gateway.errors import BackendInvalid, NotCapable
from gateway.policy.anthropic import AnthropicModel

Json = dict[str, object]

INPUT: Final = "input"
"""The one argument of the function that stands for a tool of free text."""
NO_OBJECT: Final = "arguments"
"""Holds arguments that are no JSON object, which the API refuses: their value, or what is no JSON."""
ANSWER: Final = "answer"
"""The tool whose input is an answer in JSON."""
_CHOICES: Final = {
    ToolChoiceMode.AUTO: "auto",
    ToolChoiceMode.NONE: "none",
    ToolChoiceMode.REQUIRED: "any",
    ToolChoiceMode.NAMED: "tool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyForm:
    """How an answer is read, by how it was asked for."""

    answer_tool: str = ""
    """The tool whose input is the answer; "": none."""
    custom_tools: frozenset[str] = frozenset()
    """Tools of free text."""
    finish_words: Mapping[str, FinishMeaning] = field(default_factory=dict)
    """What the policy says of the provider's own words, by the word in small letters."""
    unsent_blanks: str = field(default="", repr=False)
    """White space that the caller has already, and that the model may say again."""


@dataclass(slots=True)
class ToolFields:
    """What a request says of tools."""

    tools: list[Json] = field(default_factory=list)
    choice: Json = field(default_factory=dict)
    answer_tool: str = ""

    @property
    def is_forced(self) -> bool:
        """Whether a tool must be called, so that the model may not think first."""
        return self.choice.get("type") in ("any", "tool")


def tool_fields(name: str, spec: AnthropicModel, request: Request) -> ToolFields:
    """Return the tools of a request, and which may be called; raises NotCapable, BackendInvalid."""
    config = request.config
    fields = ToolFields([_tool(name, spec, tool) for tool in config.tools], _choice(config))
    mode = config.tool_choice.mode if config.tool_choice is not None else ToolChoiceMode.AUTO
    is_calling = bool(config.tools) and mode is not ToolChoiceMode.NONE
    if answers_by_tool(spec, config) and not (is_calling and mode is not ToolChoiceMode.AUTO):
        fields.answer_tool = next(each for each in _answer_names() if each not in _names(config))
        fields.tools.append(_answer_tool(name, fields.answer_tool, config))
        chosen: Json = {"type": "any"} if is_calling else {"type": "tool", "name": fields.answer_tool}
        fields.choice = chosen | {"disable_parallel_tool_use": True}
    used = dict.fromkeys(call.name for message in request.messages for call in message.tool_calls)
    if used and not config.tools:  # The API takes no calls in the history without tools.
        known: list[Json] = [{"name": each, "input_schema": {"type": "object"}} for each in used]
        fields.tools = known + fields.tools
        fields.choice = fields.choice or {"type": "none"}
    return fields


def answers_by_tool(spec: AnthropicModel, config: GenerationConfig) -> bool:
    """Say whether the answer is to be the input of a tool."""
    return config.json_object or (config.json_schema is not None and spec.json_output == "tool")


def parsed(name: str, what: str, json_text: str) -> object:
    """Return the value of a JSON text of the request; raises BackendInvalid."""
    try:
        value: object = json.loads(json_text)
    except (ValueError, RecursionError):
        raise BackendInvalid(name, f"{what} is not JSON") from None
    return value


def input_of(call: ToolCall) -> Json:
    """Return what a model called a tool with, as an object."""
    if call.is_custom:
        return {INPUT: call.input}
    if not call.arguments_json:
        return {}
    try:
        value = json.loads(call.arguments_json)
    except (ValueError, RecursionError):
        return {NO_OBJECT: call.arguments_json}
    return value if isinstance(value, dict) else {NO_OBJECT: value}


def _tool(name: str, spec: AnthropicModel, tool: Tool) -> Json:
    said: Json = {"name": tool.name}
    if tool.description:
        said["description"] = tool.description
    if tool.kind is ToolKind.CUSTOM:
        text: Json = {"type": "string"}
        if tool.input_grammar:
            text["description"] = f"Must match this grammar:\n{tool.input_grammar}"
        schema: object = {
            "type": "object", "properties": {INPUT: text}, "required": [INPUT], "additionalProperties": False,
        }  # fmt: skip
        return said | {"input_schema": schema}
    schema = {"type": "object"}
    if tool.parameters_json_schema:
        schema = parsed(name, "parameters_json_schema", tool.parameters_json_schema)
    if isinstance(schema, dict) and "type" not in schema:
        schema = {"type": "object"} | schema  # The API insists on it; arguments are an object anyway.
    said["input_schema"] = schema
    return said | ({"strict": True} if tool.strict and spec.takes_strict_tools else {})


def _choice(config: GenerationConfig) -> Json:
    """Return which tools may be called; empty: the API's own choice."""
    choice = config.tool_choice
    if not config.tools or (choice is None and config.parallel_tool_calls is not False):
        return {}
    said: Json = {"type": "auto" if choice is None else _CHOICES[choice.mode]}
    if choice is not None and choice.name:
        said["name"] = choice.name
    if config.parallel_tool_calls is not None and said["type"] != "none":
        said["disable_parallel_tool_use"] = not config.parallel_tool_calls
    return said


def _answer_tool(name: str, tool: str, config: GenerationConfig) -> Json:
    schema: object = {"type": "object"}
    if config.json_schema is not None:
        schema = parsed(name, "json_schema", config.json_schema)
        if not isinstance(schema, dict) or schema.get("type") != "object":
            detail = 'its API takes JSON schemas of an object only: {"type": "object", ...}'
            raise NotCapable(name, detail, field="config.json_schema")
    return {"name": tool, "description": "Give your whole answer to the user.", "input_schema": schema}


def _answer_names() -> Iterator[str]:
    number = 1
    yield ANSWER
    while True:
        number += 1
        yield f"{ANSWER}_{number}"


def _names(config: GenerationConfig) -> frozenset[str]:
    return frozenset(tool.name for tool in config.tools)
