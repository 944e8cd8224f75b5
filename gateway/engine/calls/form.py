"""How one model writes calls of tools: the texts around names and arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Slot(StrEnum):
    """A part of the text around calls that differs from call to call, and that nobody reads."""

    ID = "id"
    INDEX = "index"


Segment = tuple[str | Slot, ...]
"""Literal texts and slots, in order; texts of special tokens are among the literal ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterForm:
    """How arguments are written where they are no JSON object: one parameter after another."""

    opening: str
    """Before each name."""
    separator: str
    """Between two parameters, before `opening`."""
    name_end: str
    """From the name to the value."""
    value_end: str
    string_name_end: str
    """The same around a string, which is mostly not JSON."""
    string_value_end: str
    is_json: bool = False
    """Whether a string is JSON as other values are."""
    is_quoted: bool = False
    """Whether a string is in single quotes, with the escapes of Python; else it is written as it is."""
    string_mark: str = ""
    """What encloses strings inside objects and arrays, whose names have no quotes; "": they are JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForm:
    """How a model writes its calls: opening NAME middle ARGUMENTS, between, closing."""

    opening: Segment
    """Before the first name."""
    middle: Segment
    """From a name to its arguments."""
    between: Segment | None
    """From the arguments of a call to the name of the next; None: an answer has one call."""
    closing: Segment
    """After the arguments of the last call."""
    parameters: ParameterForm | None = None
    """None: arguments are a JSON object."""
    text_opening: str = ""
    """What comes before a text that is no call."""

    @property
    def trigger(self) -> str:
        """The text from which on an answer is a call; "": it says nothing before the name."""
        first = self.opening[0] if self.opening else ""
        if isinstance(first, Slot) or not first:
            return ""
        end = {"<": ">", "[": "]"}.get(first[0])
        return first[: first.index(end) + 1] if end and end in first else first

    @property
    def is_at_start(self) -> bool:
        """Whether calls are told from text only by how the answer begins."""
        return self.trigger == "" or (self.trigger[0] in "{[" and not self.trigger.endswith("]"))


FALLBACK = CallForm(
    opening=('<tool_call>\n{"name": "',),
    middle=('", "arguments": ',),
    between=('}\n</tool_call>\n<tool_call>\n{"name": "',),
    closing=("}\n</tool_call>",),
)
"""For a model whose template has no form: the commonest one, explained by a system text."""


@dataclass(frozen=True, slots=True)
class ProbeCall:
    """A call in a conversation that is rendered to find the form."""

    id: str
    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)
