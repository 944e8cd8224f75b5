"""The section `tests` of a policy, which `gateway policy test` runs."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.policy.provider_access import AnyJson
from gateway.policy.spec import ClassName, Name, Seconds
from gateway.policy.strict import Share, Strict

ToolName = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]


class GivenHints(Strict):
    """The caller's hints in a test."""

    privacy_class: ClassName | None = Field(None, description="The least privacy class of the request.")


Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class NamedSignals(Strict):
    """Signals of a conversation, by the names that rules read; one that is not set is not named."""

    turn: Count | None = Field(None, description="How many messages of the user there are.")
    conversation_tokens: Count | None = Field(None, description="Of all messages but the system's.")
    tool_calls: Count | None = Field(None, description="How many calls of tools there are.")
    repeated_calls: Count | None = Field(None, description="How many of them repeat an earlier one.")
    has_tool_results: bool | None = Field(None, description="Whether the last message is a tool's result.")
    last_tool_error: bool | None = Field(None, description="Whether the last result is an error.")
    tool_errors_recent: Count | None = Field(None, description="How many of the last three are errors.")
    tests_passed: bool | None = Field(None, description="Whether a recent result says that tests passed.")
    tools_offered: Count | None = Field(None, description="How many tools the caller offers.")
    has_images: bool | None = Field(None, description="Whether there are images or files.")
    is_embedding: bool | None = Field(None, description="Whether vectors are asked for.")
    reasoning_effort: Effort | None = Field(None, description="What the caller asks for.")

    def named(self) -> dict[str, int | bool | str]:
        """Return those that are set."""
        return {name: value for name, value in self if value is not None}


class GivenState(Strict):
    """The state of the gateway and the caller in a test."""

    tenant: Name = Field("default", description="The caller's tenant.")
    key: Name | None = Field(None, description="The name of the caller's key. Default: none.")
    budget: Share = Field(0.0, description="The spent share of the tightest budget.")
    budget_plan: float = Field(0.0, ge=-1.0, le=1.0, description="What rules read as budget.plan.")
    complexity: Share | None = Field(
        None, description="What rules read as complexity. Default: the score of the prompt."
    )
    signals: NamedSignals = Field(
        NamedSignals(),
        description="What rules read in place of the signals of these messages, for example for a "
        "conversation that is too long to be written down.",
    )
    session_class: ClassName | None = Field(
        None, description="The class of the conversation before this turn. Default: it is new."
    )
    session_model: Name | None = Field(
        None, description="The model that answered the conversation last. Default: none."
    )
    deadline_s: Seconds | None = Field(
        None, description="The caller's deadline, in seconds. Default: resilience.deadline_s.default."
    )


class GivenTurn(Strict):
    """A turn before the prompt."""

    role: Literal["system", "user", "assistant", "tool"] = Field(
        description="Who speaks; tool: a call of a tool, and what it returned."
    )
    content: str = Field("", max_length=65_536, description="What was said, or returned.")
    tool: ToolName = Field("tool", description="Of a tool: its name.")
    arguments: dict[str, AnyJson] = Field({}, description="Of a tool: what it was called with.")
    is_error: bool = Field(False, description="Of a tool: whether its result is an error.")


class GivenTool(Strict):
    """A tool that the caller offers."""

    name: ToolName = Field(description="The name of the tool.")
    description: str = Field("", max_length=65_536, description="What the model is told of it.")
    parameters: dict[str, AnyJson] = Field({}, description="The JSON schema of its arguments.")


class PolicyTestExpectation(Strict):
    """The expected decision; a key that is not set is not checked."""

    privacy_class: ClassName | None = Field(
        None, alias="class", description="The privacy class of the request. Default: not checked."
    )
    rule: Name | None = Field(None, description="The rule that holds. Default: not checked.")
    first: Name | None = Field(
        None, description="The model that is tried first, after the filters. Default: not checked."
    )
    route: tuple[Name, ...] | None = Field(
        None,
        strict=False,
        description="All models that are tried, in order, after the filters. Default: not checked.",
    )
    signals: NamedSignals = Field(
        NamedSignals(), description="What rules read of the conversation. Default: not checked."
    )
    never: tuple[Name, ...] = Field(
        (), strict=False, description="Models that the request must not reach, even after failures."
    )


class PolicyTest(Strict):
    """One request, and the decision that the policy must make."""

    prompt: str = Field(
        "",
        max_length=65_536,
        description="The user's message. Default: the turns end with what a tool returned, which a model is "
        "to go on with.",
    )
    turns: tuple[GivenTurn, ...] = Field(
        (), strict=False, max_length=1000, description="The turns before the prompt, the oldest first."
    )
    images: int = Field(0, ge=0, le=100, description="How many images come with the prompt.")
    tools: tuple[GivenTool, ...] = Field(
        (), strict=False, max_length=128, description="The tools that the caller offers."
    )
    embedding: bool = Field(
        False,
        description="Whether the caller asks for vectors of the turns and the prompt, not for an answer.",
    )
    model: str = Field(
        "", max_length=256, description="The model, alias or vector space that the caller asks for."
    )
    effort: Effort | None = Field(
        None, description="How much the caller asks the model to reason. Default: nothing is asked."
    )
    labels: dict[Name, Name] = Field({}, description="The labels of the request.")
    hints: GivenHints = Field(GivenHints(), description="The caller's hints.")
    state: GivenState = Field(GivenState(), description="The state of the gateway and the caller.")
    expect: PolicyTestExpectation = Field(description="The expected decision.")
