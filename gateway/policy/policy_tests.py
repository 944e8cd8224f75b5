"""What an operator expects of a policy: the section `tests`, which `gateway policy test` runs."""

from typing import Annotated

from pydantic import Field

from gateway.policy.spec import ClassName, Name
from gateway.policy.strict import Strict

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class GivenHints(Strict):
    """What the caller of a test hints at."""

    privacy_class: ClassName | None = Field(None, description="The class that it asks for at least.")


class GivenState(Strict):
    """The circumstances in which the request of a test comes."""

    tenant: Name = Field("default", description="Who asks.")
    budget: Share = Field(0.0, description="How much of the tightest budget is gone.")
    budget_plan: float = Field(
        0.0, ge=-1.0, le=1.0, allow_inf_nan=False, description="What rules read as budget.plan."
    )
    complexity: Share | None = Field(
        None, description="What rules read as complexity. Default: the score of the prompt."
    )
    deadline_s: float | None = Field(
        None,
        gt=0.0,
        le=86_400.0,
        allow_inf_nan=False,
        description="Seconds that the caller gives. Default: resilience.deadline_s.default.",
    )


class PolicyTestExpectation(Strict):
    """What must come of it; what is not said is not asked."""

    privacy_class: ClassName | None = Field(
        None, alias="class", description="The privacy class of the request. Default: not asked."
    )
    rule: Name | None = Field(None, description="The rule that holds. Default: not asked.")
    first: Name | None = Field(
        None, description="The model that is asked first, after the filters. Default: not asked."
    )
    never: tuple[Name, ...] = Field(
        (), strict=False, description="Models that the request must not reach, whatever fails."
    )


class PolicyTest(Strict):
    """One request, and what the policy must make of it."""

    prompt: str = Field(min_length=1, max_length=65_536, description="What the user asks.")
    labels: dict[Name, Name] = Field({}, description="The labels of the request.")
    hints: GivenHints = Field(GivenHints(), description="What the caller hints at.")
    state: GivenState = Field(GivenState(), description="The circumstances in which it comes.")
    expect: PolicyTestExpectation = Field(description="What must come of it.")
