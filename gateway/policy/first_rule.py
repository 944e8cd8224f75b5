"""Which rule of a policy holds for a request at a moment. Pure."""

from gateway.domain.decision import Facts, RoutingInput, RoutingState
from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import CompiledRule


def facts_of(routing_input: RoutingInput, state: RoutingState, class_: PrivacyClass) -> Facts:
    """Return what the conditions of rules read; `class_` is that of the request in its conversation."""
    return Facts(
        complexity=routing_input.complexity,
        privacy=routing_input.privacy,
        budget=state.budget,
        budget_plan=state.budget_plan,
        privacy_class=class_,
        findings=routing_input.findings,
        tenant=routing_input.tenant,
        labels=routing_input.labels,
        prompt_tokens=routing_input.prompt_tokens,
        deadline_s=state.deadline_s,
        signals=routing_input.signals,
        session_class=state.session.privacy_class,
        session_model=state.session.model,
    )


def first_that_holds(rules: tuple[CompiledRule, ...], facts: Facts) -> tuple[CompiledRule, tuple[str, ...]]:
    """Return the first rule that holds; one whose condition has no value does not, and is reported."""
    errors: list[str] = []
    for rule in rules:
        try:
            if rule.when is None or rule.when.holds(facts):
                return rule, tuple(errors)
        except ValueError as error:
            errors.append(f"{rule.name}: {error}")
    raise ValueError("a policy's last rule has no condition")
