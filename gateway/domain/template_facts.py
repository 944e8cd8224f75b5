"""What a model's chat template can render, as found at the start of its engine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFacts:
    """What a chat template renders by itself; the rest is folded, or refused."""

    tools: bool = False
    """Whether tools that are offered appear in the prompt."""
    calls: bool = False
    """Whether a call in the history has a form of its own."""
    results: bool = False
    """Whether the result of a call has a form of its own."""
    parallel_calls: bool = False
    """Whether one turn may hold several calls, each with its result."""
    text_beside_calls: bool = False
    """Whether one turn may hold a text and a call."""
    thinking_variable: str = ""
    """The variable that turns thinking on and off; empty if there is none."""
    thinks_by_default: bool | None = None
    """Whether it thinks if the variable is not set; None if that is neither on nor off, or unknown."""
    effort_variable: str = ""
    """The variable that takes the effort; empty if there is none."""
    efforts: tuple[str, ...] = ()
    """The efforts of "low", "medium" and "high" that it takes."""
    reasoning: bool = False
    """Whether reasoning in the history appears in the prompt, after the last turn of the user."""
    begins_reasoning: bool = False
    """Whether the prompt ends inside a block of reasoning, unless thinking is off."""
    off_suffix: str = ""
    """What ends the prompt when thinking is off, beyond that of a prompt with thinking on."""

    @property
    def takes_tools(self) -> bool:
        """Whether a whole conversation with tools has a form of its own."""
        return self.tools and self.calls and self.results
