"""The budget of reasoning that a policy gives a local model."""

import pytest

from gateway.domain.conversation import Message, ReasoningConfig, ReasoningEffort, Role
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.request_limits import RequestLimits
from gateway.policy.llama_cpp import LlamaCppModel

NONE, LOW, HIGH = ReasoningEffort.NONE, ReasoningEffort.LOW, ReasoningEffort.HIGH


@pytest.mark.parametrize(
    ("asked", "budget", "effort"),
    [
        (ReasoningConfig(), 300, None),
        (ReasoningConfig(effort=HIGH), 300, HIGH),
        (ReasoningConfig(effort=NONE), None, NONE),
        (ReasoningConfig(budget_tokens=900), 900, None),
        (ReasoningConfig(budget_tokens=0), 0, None),
        (ReasoningConfig(hide=True), 300, None),
    ],
)
def test_budget_of_a_request_that_sets_none(
    asked: ReasoningConfig, budget: int | None, effort: ReasoningEffort | None
) -> None:
    """A request that sets one, or wants no reasoning, keeps what it has."""
    spec = model(reasoning_budget_tokens=300)
    found = spec.lowered(request(asked), None).config.reasoning
    assert (found.budget_tokens, found.effort, found.hide) == (budget, effort, asked.hide)
    assert spec.lowered(spec.lowered(request(asked), None), None).config.reasoning == found
    assert model().lowered(request(asked), None).config.reasoning == asked


def test_rule_that_turns_reasoning_off() -> None:
    """The effort of a rule goes before the budget of the model."""
    limits = RequestLimits(effort=NONE)
    found = model(reasoning_budget_tokens=300).lowered(request(ReasoningConfig()), limits).config.reasoning
    assert (found.effort, found.budget_tokens) == (NONE, None)


def model(**keys: object) -> LlamaCppModel:
    """Return a local model with these keys."""
    entry = {"kind": "llama_cpp", "path": "builtin:demo", "clearance": "restricted"}
    return LlamaCppModel.model_validate(entry | keys)


def request(reasoning: ReasoningConfig) -> Request:
    """Return a request that says this of reasoning."""
    return Request(
        request_id="r",
        tenant="t",
        messages=(Message(role=Role.USER, content="Hi."),),
        config=GenerationConfig(reasoning=reasoning),
    )
