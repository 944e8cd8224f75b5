"""What is said in a conversation: messages of parts, tools, and what models think."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.domain.quick_init import quick_init


class Role(StrEnum):
    """Who speaks in a message; the values are those of chat templates and the OpenAI API."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class ImageDetail(StrEnum):
    """How closely a model looks at an image; the values are those of the OpenAI API."""

    AUTO = "auto"
    LOW = "low"
    HIGH = "high"


@quick_init
@dataclass(frozen=True, slots=True)
class Text:
    """Text, never shown in a repr."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that the gateway does not read: its bytes, or a URL that is never fetched."""

    data: bytes = field(default=b"", repr=False)
    url: str = field(default="", repr=False)
    media_type: str = ""
    detail: ImageDetail | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A document that the gateway does not read."""

    data: bytes = field(repr=False)
    media_type: str
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's wish that the caller run a tool."""

    id: str = field(repr=False)
    name: str = field(repr=False)
    arguments_json: str = field(default="", repr=False)
    """Of a function: valid JSON, unless `arguments_invalid`."""
    input: str = field(default="", repr=False)
    """Of a custom tool: free text."""
    is_custom: bool = False
    """Whether the tool takes `input`, not arguments."""
    arguments_invalid: bool = False
    opaque: bytes = field(default=b"", repr=False)
    """What the provider of the model wants back with the call; given back to that model only."""
    model: str = ""
    """The name in the policy of the model that made `opaque`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool returned: text and images."""

    tool_call_id: str = field(repr=False)
    parts: tuple[Text | Image, ...] = ()
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """What a model thought before it answered; given back to that model only."""

    text: str = field(default="", repr=False)
    model: str
    """Its name in the policy."""
    opaque: bytes = field(default=b"", repr=False)
    """A signature or the encrypted thought, unread."""


Part = Text | Image | File | ToolCall | ToolResult | Reasoning


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation, with `content` in place of one text part, or with `parts`."""

    role: Role
    content: str = field(default="", repr=False)
    parts: tuple[Part, ...] = ()
    name: str = field(default="", repr=False)
    """Tells participants of one role apart."""

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """The parts, in either form."""
        return self.parts or (Text(self.content),)

    @property
    def text(self) -> str:
        """The text parts, joined; not what tools were asked or returned."""
        if not self.parts:
            return self.content
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls that a model asked for."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """What tools returned."""
        return tuple(part for part in self.parts if isinstance(part, ToolResult))

    @property
    def unreadable_parts(self) -> Iterator[Image | File]:
        """Images and files, those in results of tools included: nothing in them can be scanned."""
        for part in self.parts:
            if isinstance(part, Image | File):
                yield part
            elif isinstance(part, ToolResult):
                yield from (inner for inner in part.parts if isinstance(inner, Image))


class ToolKind(StrEnum):
    """What a tool takes."""

    FUNCTION = "function"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that the caller can run for a model."""

    name: str = field(repr=False)
    description: str = field(default="", repr=False)
    parameters_json_schema: str = field(default="", repr=False)
    """A JSON schema; "": a function without arguments, or a custom tool."""
    strict: bool = False
    kind: ToolKind = ToolKind.FUNCTION
    input_grammar: str = field(default="", repr=False)
    """Of a custom tool's text; "": any text."""


class ToolChoiceMode(StrEnum):
    """Whether a model calls tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """Whether, and which, tools are called; `name` is set with NAMED only."""

    mode: ToolChoiceMode
    name: str = field(default="", repr=False)


class ReasoningEffort(StrEnum):
    """How much a model thinks; the values are those of the OpenAI API."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"


EFFORT_TOKENS: Final[Mapping[ReasoningEffort, int]] = {
    ReasoningEffort.MINIMAL: 1024,
    ReasoningEffort.LOW: 1024,
    ReasoningEffort.MEDIUM: 8192,
    ReasoningEffort.HIGH: 24_576,
    ReasoningEffort.XHIGH: 32_768,
}
"""The budget of an effort, for models that take none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningConfig:
    """Bounds on how much a model thinks; None leaves it to the model."""

    effort: ReasoningEffort | None = None
    budget_tokens: int | None = None
    """Most tokens of it, part of `max_tokens`."""
    hide: bool = False
    """Whether the caller does not want to see it."""
    is_optional: bool = False
    """Whether a model that cannot reason may answer too; it is told nothing of all this."""
