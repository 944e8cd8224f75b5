"""How a chat template wants its variables: the forms of content, calls, ids, tools and reasoning."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.engine.template.turns import Turn, TurnTool

Protect = Callable[[str, bool], str]
"""Replaces a caller's text before it is rendered; the flag says whether the prompt has to hold it."""
NO_TOOLS: tuple[Mapping[str, object], ...] = (
    {"tools": None, "documents": None},  # As transformers does.
    {},  # As llama.cpp does; some templates loop over the tools without a check.
    {"functions": ""},  # For templates made before `tools` was introduced.
)
"""Variables that say that there are no tools, the most common first."""
TOOL_VARIABLES = ("tools", "functions", "xml_tools", "custom_tools", "available_tools")
"""Variables in which templates expect the tools."""
IDS: tuple[Literal["kept", "short", "function"], ...] = ("kept", "short", "function")
"""Forms of `TemplateConvention.ids`, the most common first."""
TOOL_FORMS = ("openai", "function", "json")
"""Forms of `TemplateConvention.tool_form`, the most common first."""
THINKING: Mapping[str, tuple[object, object]] = {
    "enable_thinking": (True, False),
    "thinking": (True, False),
    "thinking_mode": ("enabled", "disabled"),
    "thinking_option": ("on", "off"),
    "reasoning": (True, False),
    "thinking_budget": (-1, 0),
}
"""Variables that turn thinking on and off in templates, with both values."""
EFFORT_VARIABLES = ("reasoning_effort", "thinking_effort", "reasoning_strength")
"""Variables that take an effort."""
EFFORTS = ("low", "medium", "high")
"""The efforts of a request."""
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking", "parts")
"""Keys of a message in which templates expect what the assistant thought; "parts": as a part of content."""
_ID_CHARS = 9
"""Characters of an id of Mistral's templates, which refuse others."""


class BadArguments(ValueError):
    """The arguments of a call are not a JSON object."""


@dataclass(frozen=True, slots=True)
class TemplateConvention:
    """Which variables a template gets, and the form of messages."""

    has_parts: bool = False
    """Whether content is a list of parts instead of a text."""
    no_tools: Mapping[str, object] = field(default_factory=lambda: NO_TOOLS[0])
    """The variables of a conversation without tools."""
    tool_variable: str = ""
    """The variable of the tools; empty if the template shows none."""
    tool_form: str = "openai"
    """"openai": with `type` and `function`. "function": what is in `function`. "json": the first as one
    JSON text."""
    has_null_content: bool = False
    """Whether a message of calls without a text has no content, instead of an empty text."""
    has_filled_schemas: bool = False
    """Whether what a property of a schema leaves out (description, type) is filled in."""
    has_object_arguments: bool = True
    """Whether arguments of calls are an object instead of JSON."""
    ids: Literal["kept", "short", "function"] = "kept"
    """The ids of calls. "short": 9 letters or digits. "function": as in functions.name:0."""
    reasoning_key: str = ""
    """One of REASONING_KEYS; empty if the template shows no reasoning."""

    def tools(self, tools: Sequence[TurnTool], protect: Protect) -> dict[str, object]:
        """Return the variables that offer these tools, or none."""
        if not tools or not self.tool_variable:
            return dict(self.no_tools)
        functions = [
            {
                "name": tool.name,
                "description": tool.description,
                "parameters": self._parameters(tool),
            }
            for tool in tools
        ]
        openai = [{"type": "function", "function": function} for function in functions]
        safe = _walk(functions if self.tool_form == "function" else openai, lambda text: protect(text, False))
        value = json.dumps(safe, ensure_ascii=False) if self.tool_form == "json" else safe
        return {**self.no_tools, self.tool_variable: value}

    def _parameters(self, tool: TurnTool) -> Mapping[str, object]:
        schema = tool.parameters or {"type": "object", "properties": {}}
        return _filled(schema) if self.has_filled_schemas else schema

    def messages(self, turns: Sequence[Turn], protect: Protect) -> list[dict[str, object]]:
        """Return the messages of turns; raises BadArguments."""
        ids = self.ids_of(turns)
        return [self._message(turn, ids, protect) for turn in turns]

    def _message(self, turn: Turn, ids: Mapping[str, str], protect: Protect) -> dict[str, object]:
        text = protect(turn.text, True)
        thought = protect(turn.reasoning, False) if turn.reasoning and self.reasoning_key else ""
        message: dict[str, object] = {"role": turn.role, "content": text}
        if self.has_null_content and turn.calls and not text:
            message["content"] = None
        elif self.has_parts:
            message["content"] = [{"type": "text", "text": text}]
        if thought and self.reasoning_key == "parts":
            parts = [{"type": "thinking", "thinking": thought}, {"type": "text", "text": text}]
            message["content"] = parts if text else parts[:1]
        elif thought:
            message[self.reasoning_key] = thought
        if turn.role == "tool":
            message["tool_call_id"] = protect(ids.get(turn.call_id, turn.call_id), False)
            message["name"] = protect(turn.tool_name, False)
        if turn.calls:
            message["tool_calls"] = [
                {
                    "id": protect(ids[call.id], False),
                    "type": "function",
                    "function": {
                        "name": protect(call.name, True),
                        "arguments": self._arguments(call.arguments, protect),
                    },
                }
                for call in turn.calls
            ]
        return message

    def _arguments(self, arguments: str, protect: Protect) -> object:
        try:
            value = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            raise BadArguments from None
        if not isinstance(value, dict):
            raise BadArguments
        if self.has_object_arguments:
            return _walk(value, lambda text: protect(text, True))
        return protect(arguments or "{}", True)

    def ids_of(self, turns: Sequence[Turn]) -> dict[str, str]:
        """Return the ids that the template gets, by the caller's."""
        calls = [call for turn in turns for call in turn.calls]
        if self.ids == "short":
            return {call.id: hashlib.sha256(call.id.encode()).hexdigest()[:_ID_CHARS] for call in calls} | {
                turn.call_id: hashlib.sha256(turn.call_id.encode()).hexdigest()[:_ID_CHARS]
                for turn in turns
                if turn.role == "tool"
            }
        if self.ids == "function":
            return {call.id: f"functions.{call.name}:{number}" for number, call in enumerate(calls)}
        return {call.id: call.id for call in calls}


def _filled(schema: Mapping[str, object]) -> dict[str, object]:
    """Return a schema in which every property has a type and a description, as some templates expect."""
    found: dict[str, object] = {"type": "string", "description": "", **schema}
    properties, items = found.get("properties"), found.get("items")
    if isinstance(properties, Mapping):
        found["properties"] = {
            name: _filled(each) if isinstance(each, Mapping) else each for name, each in properties.items()
        }
    if isinstance(items, Mapping):
        found["items"] = _filled(items)
    return found


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    """Return a copy of a JSON value with every text changed, those of keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): _walk(each, change) for key, each in value.items()}
    return [_walk(each, change) for each in value] if isinstance(value, list) else value
