"""Checks how to generate: bounds of numbers, and what excludes what."""

from dataclasses import replace

from gateway.domain.conversation import Tool, ToolChoiceMode, ToolKind
from gateway.domain.request import GenerationConfig
from gateway.errors import InvalidRequest
from gateway.pipeline.steps import Steps
from gateway.server.validation.conversation import PART_CHARS, check_count, check_name
from gateway.server.validation.json_text import checked_schema

MAX_TOKENS = 1_000_000
MAX_STOPS = 4
MAX_STOP_BYTES = 256
MAX_TOOLS = 128
MAX_DESCRIPTION_BYTES = 32 * 1024
MAX_GRAMMAR_BYTES = 64 * 1024
MAX_LOGIT_BIASES = 300
MAX_TOP_K = 1_000_000
MAX_TOP_LOGPROBS = 20
MAX_TOKEN_ID = 2**31 - 1

_RANGES: tuple[tuple[str, float, float], ...] = (
    ("max_tokens", 1, MAX_TOKENS),
    ("temperature", 0, 2),
    ("top_k", 1, MAX_TOP_K),
    ("min_p", 0, 1),
    ("frequency_penalty", -2, 2),
    ("presence_penalty", -2, 2),
    ("top_logprobs", 0, MAX_TOP_LOGPROBS),
)


def config_steps(config: GenerationConfig) -> Steps[GenerationConfig]:
    """Return the configuration, with schemas as they are sent; raises InvalidRequest."""
    check_counts(stops=len(config.stop), biases=len(config.logit_bias), tools=len(config.tools))
    for name, least, most in _RANGES:
        _check_range(f"config.{name}", getattr(config, name), least, most)
    if config.top_p is not None and not 0.0 < config.top_p <= 1.0:  # False for NaN too.
        raise InvalidRequest("config.top_p", f"must be a number above 0 and at most 1, is {config.top_p:g}")
    _check_range("config.reasoning.budget_tokens", config.reasoning.budget_tokens, 0, MAX_TOKENS)
    _check_stops(config.stop)
    _check_biases(config)
    _check_forms(config)
    tools = yield from _tools(config.tools)
    _check_choice(config)
    schema = config.json_schema
    if schema is not None:
        yield len(schema)
        schema = checked_schema("config.json_schema", schema)
    if schema == config.json_schema and tools == config.tools:
        return config
    return replace(config, json_schema=schema, tools=tools)


def check_counts(*, stops: int, biases: int, tools: int) -> None:
    """Raise InvalidRequest for too many of any."""
    check_count("config.stop", stops, MAX_STOPS, "strings")
    check_count("config.logit_bias", biases, MAX_LOGIT_BIASES, "tokens")
    check_count("config.tools", tools, MAX_TOOLS, "tools")


def _check_range(field: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:  # False for NaN too.
        kind = "must be" if isinstance(value, int) else "must be a number from"
        raise InvalidRequest(field, f"{kind} {least:g} to {most:.15g}, is {value:.15g}")


def _check_stops(stops: tuple[str, ...]) -> None:
    for i, stop in enumerate(stops):
        if not 1 <= len(stop.encode()) <= MAX_STOP_BYTES:
            raise InvalidRequest(f"config.stop[{i}]", f"must have 1 to {MAX_STOP_BYTES} bytes")


def _check_biases(config: GenerationConfig) -> None:
    biases = config.logit_bias
    for token, bias in biases.items():
        if not 0 <= token <= MAX_TOKEN_ID:
            raise InvalidRequest("config.logit_bias", f"must have token ids from 0, has {token}")
        _check_range(f"config.logit_bias[{token}]", bias, -100, 100)


def _check_forms(config: GenerationConfig) -> None:
    """Refuse two forms of an answer."""
    if config.json_object and config.json_schema is not None:
        raise InvalidRequest("config.json_object", "must not be set together with json_schema")
    if config.grammar is None:
        return
    if config.json_object or config.json_schema is not None:
        raise InvalidRequest("config.grammar", "must not be set together with json_schema or json_object")
    if not 1 <= len(config.grammar.encode()) <= MAX_GRAMMAR_BYTES:
        raise InvalidRequest("config.grammar", f"must have 1 to {MAX_GRAMMAR_BYTES} bytes")


def _tools(tools: tuple[Tool, ...]) -> Steps[tuple[Tool, ...]]:
    names: set[str] = set()
    parsed = []
    for i, tool in enumerate(tools):
        at = f"config.tools[{i}]"
        check_name(f"{at}.name", tool.name)
        if tool.name in names:
            raise InvalidRequest(f"{at}.name", "must be unique")
        names.add(tool.name)
        yield PART_CHARS + len(tool.parameters_json_schema)
        parsed.append(_tool(at, tool))
    return tuple(parsed)


def _tool(at: str, tool: Tool) -> Tool:
    if len(tool.description.encode()) > MAX_DESCRIPTION_BYTES:
        raise InvalidRequest(f"{at}.description", f"must have at most {MAX_DESCRIPTION_BYTES} bytes")
    if tool.kind is ToolKind.CUSTOM:
        if tool.parameters_json_schema:
            raise InvalidRequest(f"{at}.parameters_json_schema", "must not be set for TOOL_KIND_CUSTOM")
        if len(tool.input_grammar.encode()) > MAX_GRAMMAR_BYTES:
            raise InvalidRequest(f"{at}.input_grammar", f"must have at most {MAX_GRAMMAR_BYTES} bytes")
        return tool
    if tool.input_grammar:
        raise InvalidRequest(f"{at}.input_grammar", "must be set for TOOL_KIND_CUSTOM only")
    if not tool.parameters_json_schema:
        return tool
    schema = checked_schema(f"{at}.parameters_json_schema", tool.parameters_json_schema)
    return replace(tool, parameters_json_schema=schema)


def _check_choice(config: GenerationConfig) -> None:
    choice = config.tool_choice
    if choice is None:
        return
    if choice.mode is ToolChoiceMode.NAMED:
        if choice.name not in {tool.name for tool in config.tools}:
            raise InvalidRequest("config.tool_choice.name", "must be the name of a tool of config.tools")
    elif choice.name:
        raise InvalidRequest("config.tool_choice.name", "must be set with TOOL_CHOICE_MODE_NAMED only")
    elif choice.mode is ToolChoiceMode.REQUIRED and not config.tools:
        raise InvalidRequest("config.tool_choice", "needs config.tools")
