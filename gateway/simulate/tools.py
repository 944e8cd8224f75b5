"""The tools that a request offers, and which of them the simulated provider calls."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from gateway.simulate.chat_error import ChatError, object_of, require
from gateway.simulate.messages import CallKind, MadeCall, SentMessage
from gateway.simulate.schema import minimal_instance

MOST_TOOLS = 128
"""Most tools that OpenAI takes."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_AND = re.compile(r"\band\b", re.IGNORECASE)

Choice = Literal["auto", "none", "required", "named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTool:
    """A tool that may be called."""

    name: str
    description: str
    parameters: object
    """The JSON schema of its arguments."""
    kind: CallKind

    def words(self) -> frozenset[str]:
        """Return the words of its name and description."""
        return _words(f"{self.name} {self.description}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """The tools of a request, and how they may be called."""

    tools: tuple[OfferedTool, ...] = ()
    choice: Choice = "auto"
    name: str = ""
    """The tool to call, for the choice `named`."""
    is_parallel: bool = True

    def texts(self) -> tuple[str, ...]:
        """Return the texts of the tools that count as tokens."""
        return tuple(
            text
            for tool in self.tools
            for text in (tool.name, tool.description, json.dumps(tool.parameters, separators=(",", ":")))
        )


def parse_tool_use(body: Mapping[str, object]) -> ToolUse:
    """Parse `tools`, `tool_choice` and `parallel_tool_calls`; raises ChatError."""
    if body.get("tools") is None:
        for field in ("tool_choice", "parallel_tool_calls"):
            require(body.get(field) in (None, "none"), field, "is only allowed when tools are specified")
        return ToolUse()
    value = body["tools"]
    require(isinstance(value, list) and bool(value), "tools", "must be a list of at least one tool")
    offered = cast(list[object], value)
    require(len(offered) <= MOST_TOOLS, "tools", f"must be at most {MOST_TOOLS}")
    tools = tuple(_tool(tool, f"tools[{i}]") for i, tool in enumerate(offered))
    parallel = body.get("parallel_tool_calls", True)
    require(isinstance(parallel, bool), "parallel_tool_calls", "must be true or false")
    choice, name = _choice(body.get("tool_choice"), tools)
    return ToolUse(tools=tools, choice=choice, name=name, is_parallel=cast(bool, parallel))


def _tool(value: object, at: str) -> OfferedTool:
    fields = object_of(value)
    kind: CallKind = "custom" if fields.get("type") == "custom" else "function"
    require(fields.get("type") == kind, f"{at}.type", "must be function or custom")
    body = object_of(fields.get(kind))
    allowed = {"name", "description", *(("parameters", "strict") if kind == "function" else ("format",))}
    require(set(body) <= allowed, f"{at}.{kind}", f"must have {', '.join(sorted(allowed))} only")
    name, description = body.get("name"), body.get("description", "")
    is_name = isinstance(name, str) and _NAME.fullmatch(name) is not None
    require(is_name, f"{at}.{kind}.name", "must be 1 to 64 letters, digits, _ or -")
    require(isinstance(description, str), f"{at}.{kind}.description", "must be a string")
    parameters = body.get("parameters", {"type": "object", "properties": {}})
    require(isinstance(parameters, dict), f"{at}.{kind}.parameters", "must be a JSON schema")
    return OfferedTool(name=str(name), description=str(description), parameters=parameters, kind=kind)


def _choice(value: object, tools: tuple[OfferedTool, ...]) -> tuple[Choice, str]:
    for word in get_args(Choice)[:3]:
        if value == word:
            return cast(Choice, word), ""
    if value is None:
        return "auto", ""
    kind = str(object_of(value).get("type"))
    name = object_of(object_of(value).get(kind)).get("name")
    is_offered = any((tool.name, tool.kind) == (name, kind) for tool in tools)
    require(is_offered, "tool_choice", "must be none, auto, required or one of the tools")
    return "named", str(name)


def calls_for(use: ToolUse, messages: Sequence[SentMessage]) -> tuple[MadeCall, ...]:
    """Return the calls that the model makes; none where results have come and no call is required.

    Raises ChatError where no arguments are known for a tool's schema.
    """
    last_user = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    has_results = any(message.role == "tool" for message in messages[last_user + 1 :])
    if not use.tools or use.choice == "none" or (has_results and use.choice == "auto"):
        return ()
    text = messages[last_user].content if last_user >= 0 else ""
    digest = hashlib.sha256(json.dumps([message.identity() for message in messages]).encode()).hexdigest()
    return tuple(
        MadeCall(
            id=f"call_{hashlib.sha256(f'{digest}{i}'.encode()).hexdigest()[:24]}",
            name=tool.name,
            arguments=_arguments(tool, clause),
            kind=tool.kind,
        )
        for i, (tool, clause) in enumerate(_chosen(use, text))
    )


def _chosen(use: ToolUse, text: str) -> list[tuple[OfferedTool, str]]:
    """Return the tools to call, each with the text that asks for it: two where the text asks for two."""
    if use.choice == "named":
        return [(tool, text) for tool in use.tools if tool.name == use.name][:1]
    clauses = _AND.split(text) if use.is_parallel else []
    asked = [(tool, clause) for clause in clauses if (tool := _matching(use.tools, clause)) is not None]
    return asked if len(asked) > 1 else [(_matching(use.tools, text) or use.tools[0], text)]


def _matching(tools: Sequence[OfferedTool], text: str) -> OfferedTool | None:
    words = _words(text)
    return next((tool for tool in tools if words & tool.words()), None)


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text.replace("_", " ")))


def _arguments(tool: OfferedTool, text: str) -> str:
    if tool.kind == "custom":
        return text.strip()
    numbers = [float(number) if "." in number else int(number) for number in _NUMBER.findall(text)]
    try:
        return json.dumps(minimal_instance(tool.parameters, numbers=numbers))
    except ValueError as error:
        raise ChatError(400, f"tool {tool.name}: {error}", param="tools") from None


def results_of(messages: Sequence[SentMessage]) -> tuple[str, ...]:
    """Return the results of tools since the last message of a user."""
    last_user = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    return tuple(message.content for message in messages[last_user + 1 :] if message.role == "tool")
