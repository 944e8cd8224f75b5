"""What the scorers say of a request under one policy, in the process that asks."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.complexity.complexity import features_of
from gateway.domain.masked import Masked
from gateway.privacy import PrivacyScorer
from gateway.privacy.masking.masker import Masker
from gateway.types import Entities, PrivacyAssessment, PrivacyClass, Request

_NO_ENTITIES = Entities()


class Assessment(NamedTuple):
    """The scores of a request's texts, and how models that need a mask would see them."""

    features: tuple[float, ...]
    """What the complexity scorer counted."""
    privacy: PrivacyAssessment
    masked: Mapping[str, Masked]


def unassessed(reason: str) -> Assessment:
    """Return the assessment of texts that could not be scored: restricted, and `reason` says why."""
    return Assessment(
        features=features_of(()),
        privacy=PrivacyAssessment(score=1.0, privacy_class=PrivacyClass.RESTRICTED, reason=reason),
        masked={},
    )


class Assessor:
    """Scores and masks the texts of requests under one policy, in the process that calls it."""

    def __init__(self, scorer: PrivacyScorer, masker: Masker) -> None:
        self._scorer = scorer
        self._masker = masker

    def assess(self, request: Request, entities: Entities = _NO_ENTITIES) -> Assessment:
        """Score and mask; raises nothing."""
        privacy = self._scorer.score(request, entities)
        return Assessment(
            features=features_of(request.messages),
            privacy=privacy,
            masked=self._masker.masked(request, privacy, entities),
        )
