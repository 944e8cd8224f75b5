"""The section `tests` of a policy, which `gateway policy test` runs."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.policy.provider_access import AnyJson
from gateway.policy.spec import ClassName, Name, Seconds
from gateway.policy.strict import Share, Strict


class GivenHints(Strict):
    """The caller's hints in a test."""

    privacy_class: ClassName | None = Field(None, description="The least privacy class of the request.")


class GivenState(Strict):
    """The state of the gateway and the caller in a test."""

    tenant: Name = Field("default", description="The caller's tenant.")
    key: Name | None = Field(None, description="The name of the caller's key. Default: none.")
    budget: Share = Field(0.0, description="The spent share of the tightest budget.")
    budget_plan: float = Field(0.0, ge=-1.0, le=1.0, description="What rules read as budget.plan.")
    complexity: Share | None = Field(
        None, description="What rules read as complexity. Default: the score of the prompt."
    )
    deadline_s: Seconds | None = Field(
        None, description="The caller's deadline, in seconds. Default: resilience.deadline_s.default."
    )


class GivenTurn(Strict):
    """A turn before the prompt."""

    role: Literal["system", "user", "assistant", "tool"] = Field(
        description="Who speaks; tool: what a tool returned, after a call for it without arguments."
    )
    content: str = Field(max_length=65_536, description="What was said, or returned.")


class GivenTool(Strict):
    """A tool that the caller offers."""

    name: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")] = Field(description="The name of the tool.")
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
    never: tuple[Name, ...] = Field(
        (), strict=False, description="Models that the request must not reach, even after failures."
    )


class PolicyTest(Strict):
    """One request, and the decision that the policy must make."""

    prompt: str = Field(min_length=1, max_length=65_536, description="The user's message.")
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
    labels: dict[Name, Name] = Field({}, description="The labels of the request.")
    hints: GivenHints = Field(GivenHints(), description="The caller's hints.")
    state: GivenState = Field(GivenState(), description="The state of the gateway and the caller.")
    expect: PolicyTestExpectation = Field(description="The expected decision.")
