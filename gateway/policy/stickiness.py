"""What the earlier turns of a conversation do to the chain of this one. Pure."""

from collections.abc import Sequence

from gateway.domain.decision import Refusal, RoutingInput
from gateway.domain.privacy import PrivacyClass
from gateway.domain.session import SessionOutcome, SessionState, SessionStatus
from gateway.policy.sessions import SessionPolicy


def class_as_masked(
    model: str, routing_input: RoutingInput, session: SessionState, policy_hash: str
) -> PrivacyClass:
    """Return the class of what a model that masks may be sent, this turn and those before it together."""
    own = routing_input.masked_classes.get(model, routing_input.privacy_class)
    return max(own, session.class_for(model, policy_hash))


def stuck(
    chain: tuple[str, ...], session: SessionState, routing_input: RoutingInput, section: SessionPolicy
) -> tuple[str, ...]:
    """Return the chain with the model that answered last in front, where it stays; adds no model."""
    if session.model not in chain:
        return chain
    stays = section.sticky != "none" and routing_input.signals.has_tool_results
    if section.sticky == "conversation":
        stays = stays or abs(routing_input.complexity - session.complexity) <= section.switch_margin
    return (session.model, *(name for name in chain if name != session.model)) if stays else chain


def outcome_of(session: SessionState, chain: Sequence[str], refused: Sequence[Refusal]) -> SessionOutcome:
    """Say whether the model that answered last is tried first, and why not."""
    status, why = SessionStatus.SWITCHED, ""
    if not session.model:
        status = SessionStatus.NEW
    elif session.model == next(iter(chain), ""):
        status = SessionStatus.KEPT
    else:
        why = next((str(each.reason) for each in refused if each.model == session.model), "")
        why = why or ("order" if session.model in chain else "rule")
    return SessionOutcome(status=status, privacy_class=session.privacy_class, model=session.model, why=why)
