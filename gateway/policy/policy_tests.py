"""The section `tests` of a policy, which `gateway policy test` runs."""

from pydantic import Field

from gateway.policy.spec import ClassName, Name, Seconds
from gateway.policy.strict import Share, Strict


class GivenHints(Strict):
    """The caller's hints in a test."""

    privacy_class: ClassName | None = Field(None, description="The least privacy class of the request.")


class GivenState(Strict):
    """The state of the gateway and the caller in a test."""

    tenant: Name = Field("default", description="The caller's tenant.")
    budget: Share = Field(0.0, description="The spent share of the tightest budget.")
    budget_plan: float = Field(0.0, ge=-1.0, le=1.0, description="What rules read as budget.plan.")
    complexity: Share | None = Field(
        None, description="What rules read as complexity. Default: the score of the prompt."
    )
    deadline_s: Seconds | None = Field(
        None, description="The caller's deadline, in seconds. Default: resilience.deadline_s.default."
    )


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
    labels: dict[Name, Name] = Field({}, description="The labels of the request.")
    hints: GivenHints = Field(GivenHints(), description="The caller's hints.")
    state: GivenState = Field(GivenState(), description="The state of the gateway and the caller.")
    expect: PolicyTestExpectation = Field(description="The expected decision.")
