"""How a conversation may be shortened that is too long for a model, and what became of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.request import Request


class Trim(StrEnum):
    """What may be left out of a conversation; each also does what the one before it does."""

    NONE = "none"
    TOOL_RESULTS = "tool_results"
    """The middle of old results of tools."""
    OLDEST = "oldest"
    """The oldest turns, once all old results are short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextLimit:
    """What a rule says of conversations that are long."""

    trim: Trim
    above_tokens: int | None = None
    """The length, as routing estimates it, that is shortened for every model; None: what does not fit it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trimmed:
    """A shortened conversation, and what it lost."""

    request: Request = field(repr=False)
    messages: int
    """How many messages are left out, or hold a result that is shorter now."""
    tokens: int
    """How many tokens shorter it is, as routing estimates them."""

    def counts(self) -> dict[str, int]:
        """Return what it lost, for JSON."""
        return {"messages": self.messages, "tokens": self.tokens}
