"""What a request needs of a model beyond text, in the words that a refusal names."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from gateway.domain.conversation import File, Message, ReasoningConfig, ReasoningEffort, ToolKind
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.text.schema_bounds import AT_THE_EDGE


class Capability(StrEnum):
    """Something that not every model can do; records keep the words."""

    TOOLS = "tools"
    CUSTOM_TOOLS = "custom tools"
    IMAGES = "images"
    FILES = "files"
    REASONING = "reasoning"
    LOGPROBS = "logprobs"
    JSON_SCHEMA = "json_schema"
    LARGE_JSON_SCHEMA = "large json_schema"
    """A schema beyond the bounds of a grammar at the edge."""
    JSON_OBJECT = "json_object"
    GRAMMAR = "grammar"
    EMBEDDINGS = "embeddings"
    DIMENSIONS = "dimensions"
    """Vectors with fewer dimensions than those of the space."""
    SPACE = "vectors of the space that is asked for"
    CHAT = "chat"
    """What every request without EMBEDDINGS needs. These two are named by refusals alone."""


FIELD_OF: Final[Mapping[Capability, str]] = {
    Capability.TOOLS: "config.tools",
    Capability.CUSTOM_TOOLS: "config.tools",
    Capability.IMAGES: "messages",
    Capability.FILES: "messages",
    Capability.REASONING: "config.reasoning",
    Capability.LOGPROBS: "config.top_logprobs",
    Capability.JSON_SCHEMA: "config.json_schema",
    Capability.LARGE_JSON_SCHEMA: "config.json_schema",
    Capability.JSON_OBJECT: "config.json_object",
    Capability.GRAMMAR: "config.grammar",
    Capability.EMBEDDINGS: "model",
    Capability.DIMENSIONS: "dimensions",
    Capability.SPACE: "model",
    Capability.CHAT: "model",
}
"""The field of a request that needs it, by its path in the proto."""


def needs_of(request: Request) -> tuple[Capability, ...]:
    """Return what a model must be capable of to answer, in the order of `Capability`."""
    if request.embedding is not None:
        is_shorter = request.embedding.dimensions is not None
        return (Capability.EMBEDDINGS, Capability.DIMENSIONS) if is_shorter else (Capability.EMBEDDINGS,)
    needs = {*_of_messages(request.messages), *_of_config(request.config)}
    return tuple(each for each in Capability if each in needs) if needs else ()


def _of_messages(messages: tuple[Message, ...]) -> Iterator[Capability]:
    for message in messages:
        if not message.parts:
            continue
        for part in message.unreadable_parts:
            yield Capability.FILES if isinstance(part, File) else Capability.IMAGES
        calls = message.tool_calls
        if calls or message.tool_results:
            yield Capability.TOOLS
        if any(call.is_custom for call in calls):
            yield Capability.CUSTOM_TOOLS


def _of_config(config: GenerationConfig) -> Iterator[Capability]:
    if config.tools:
        yield Capability.TOOLS
    if any(tool.kind is ToolKind.CUSTOM for tool in config.tools):
        yield Capability.CUSTOM_TOOLS
    if _asks_to_reason(config.reasoning):
        yield Capability.REASONING
    if config.top_logprobs is not None:
        yield Capability.LOGPROBS
    if config.json_schema is not None:
        yield Capability.JSON_SCHEMA
        if AT_THE_EDGE.problem(config.json_schema):
            yield Capability.LARGE_JSON_SCHEMA
    if config.json_object:
        yield Capability.JSON_OBJECT
    if config.grammar is not None:
        yield Capability.GRAMMAR


def _asks_to_reason(reasoning: ReasoningConfig) -> bool:
    """Say whether a model has to reason as told; every model can do without it, and hide it."""
    if reasoning.is_optional:
        return False
    return reasoning.effort not in (None, ReasoningEffort.NONE) or bool(reasoning.budget_tokens)
