"""What is known of a conversation from one request to the next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from gateway.domain.privacy import PrivacyClass


class SessionStatus(StrEnum):
    """What a decision makes of the model that answered a conversation before."""

    NEW = "new"
    """No model has answered it yet, as far as is known."""
    KEPT = "kept"
    SWITCHED = "switched"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """What is known of a conversation before a turn; without any turn it holds nothing back."""

    privacy_class: PrivacyClass = PrivacyClass.PUBLIC
    """The highest class of a turn so far."""
    masked_classes: Mapping[str, PrivacyClass] = field(default_factory=dict)
    """By model that masks, the highest class of what a mask left, where it is below `privacy_class`."""
    policy_hash: str = ""
    """Under which policy `masked_classes` hold: another one may mask less."""
    model: str = ""
    """The model that answered last; "": none did."""
    complexity: float = 0.0
    """Of the turn for which that model was chosen first."""
    is_lost: bool = False
    """Whether the conversation could not be looked up, and counts as restricted for it."""

    @property
    def is_private(self) -> bool:
        """Whether something was above public."""
        return self.privacy_class > PrivacyClass.PUBLIC

    def class_for(self, model: str, policy_hash: str) -> PrivacyClass:
        """Return the highest class of what this model, if it masks, might have been sent so far."""
        known = self.masked_classes if policy_hash == self.policy_hash else {}
        return known.get(model, self.privacy_class)

    def fields(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "privacy_class": self.privacy_class.name,
            "masked_classes": {model: class_.name for model, class_ in self.masked_classes.items()},
            "policy_hash": self.policy_hash,
            "model": self.model,
            "complexity": self.complexity,
            "is_lost": self.is_lost,
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Return what `fields` gave; raises KeyError, TypeError, AttributeError."""
        masked = {model: PrivacyClass[name] for model, name in fields["masked_classes"].items()}
        class_ = PrivacyClass[fields["privacy_class"]]
        return cls(**{**fields, "privacy_class": class_, "masked_classes": masked})


NEW_SESSION = SessionState()
LOST_SESSION = SessionState(privacy_class=PrivacyClass.RESTRICTED, is_lost=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOutcome:
    """What a decision did with what was known of the conversation."""

    status: SessionStatus
    privacy_class: PrivacyClass
    """The class that the conversation had before this turn."""
    model: str = ""
    """The model that answered before."""
    why: str = ""
    """With SWITCHED: the reason of its refusal; "rule": it is not in the route; "order": it comes later."""


def joined(stored: SessionState, later: SessionState) -> SessionState:
    """Return what two turns of a conversation make of it, the later one second; no class falls."""
    class_ = max(stored.privacy_class, later.privacy_class)
    names = stored.masked_classes.keys() | later.masked_classes.keys()
    masked = {
        name: each
        for name in names
        if (each := max(stored.class_for(name, later.policy_hash), later.class_for(name, later.policy_hash)))
        < class_
    }
    return SessionState(
        privacy_class=class_,
        masked_classes=masked,
        policy_hash=later.policy_hash,
        model=later.model or stored.model,
        complexity=later.complexity if later.model else stored.complexity,
    )
