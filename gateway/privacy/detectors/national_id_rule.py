"""How one kind of national number is recognised, and how sure its check makes a finding."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.privacy.detector import FAINT, LIKELY, PROBABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRule:
    """How one kind of number is recognised."""

    shape: str
    """A case-insensitive regular expression for the number; begins at a word boundary."""
    is_valid: Callable[[str], bool]
    """Checks the check digits, dates and the like."""
    words: str
    """A case-insensitive regular expression for its names."""
    alone: float = 0.0
    """The confidence without a name in its paragraph; 0: it needs one."""
    whole: float = PROBABLE
    """The confidence if it fills its paragraph: a number that is sent by itself is seldom a count."""
    sole: Callable[[str], bool] | None = None
    """A weaker check than `is_valid` for a number that fills its paragraph."""
    named: Callable[[str], bool] | None = None
    """A weaker check than `is_valid` for a number near a name, because a mistyped one is private too."""


NOTHING = r"[^\s\S]"
"""Matches nothing: no name makes such a number private."""

_SELDOM, _AT_TIMES, _OFTEN = 0.0005, 0.05, 0.12
"""Shares of chance hits: of several rules together one in some hundred; of one letter; of one digit."""


def by_chance(chance: float, *, has_letters: bool, is_grouped: bool) -> float:
    """Return the confidence of a number that passes a check which passes a `chance` of those of its shape.

    Letters and unusual groups make the shape itself rare; bare digits occur in every text.
    """
    if not (has_letters or is_grouped):
        return PROBABLE if chance <= _SELDOM else 0.0
    if chance <= _AT_TIMES:
        return LIKELY
    return PROBABLE if has_letters and chance <= _OFTEN else FAINT


def whole_by_chance(chance: float) -> float:
    """Return the confidence of such a number that fills its paragraph."""
    return PROBABLE if chance <= _AT_TIMES else 0.0
