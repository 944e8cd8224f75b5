"""How private a request is, and what makes it so."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from gateway.domain.quick_init import quick_init


class PrivacyClass(IntEnum):
    """How private a request is; ordered, with the numbers of the wire."""

    PUBLIC = 1
    INTERNAL = 2
    CONFIDENTIAL = 3
    RESTRICTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A private datum by type and place, never its text.

    `start` and `end` count characters in the string that holds it, which `message_index` (-1: the config)
    and `path` name, as `domain.strings` does.
    """

    type: str
    start: int
    end: int
    confidence: float
    message_index: int = 0
    path: str = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found of one type in a whole request, also below the confidence that is reported."""

    highest: float
    """The highest confidence."""
    confident: int
    """Distinct values that are found with enough confidence for floors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entities:
    """What a detector beside the built-in ones found in the messages of a request, before it is scored."""

    findings: tuple[Finding, ...] = ()
    failure: str | None = None
    """Why it is not known what there is, without a word of the text; the request is then restricted."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyAssessment:
    """What the privacy scorer says of a request: score in [0, 1], class, why, and the findings."""

    score: float
    privacy_class: PrivacyClass
    reason: str
    findings: tuple[Finding, ...] = ()
    evidence: Mapping[str, Evidence] | None = None
    """By type, what score and class were made of; None where the text could not be judged."""
