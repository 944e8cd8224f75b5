"""What the scorers say of a request under one policy: short texts here, long ones in the scoring pool."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from gateway.clock import Deadline
from gateway.complexity.complexity import features_of
from gateway.domain.masked import Masked
from gateway.policy.model import Policy
from gateway.privacy import PrivacyScorer
from gateway.privacy.masking.masker import Masker
from gateway.types import Entities, Privacy, PrivacyClass, Request

ON_LOOP_BYTES = 8 * 1024
"""More text than this is scored in another process, so that the event loop goes on."""
_NO_ENTITIES = Entities()


class Assessment(NamedTuple):
    """The scores of a request's texts, and how models that need a mask would see them."""

    features: tuple[float, ...]
    """What the complexity scorer counted."""
    privacy: Privacy
    masked: Mapping[str, Masked]


def unassessed(reason: str) -> Assessment:
    """Return the assessment of texts that could not be scored: restricted, and `reason` says why."""
    return Assessment(
        features=features_of(()),
        privacy=Privacy(score=1.0, privacy_class=PrivacyClass.RESTRICTED, reason=reason),
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


class Pool(Protocol):
    """Other processes that score, as `PolicyAssessor` needs them."""

    async def assess(
        self, policy: Policy, request: Request, entities: Entities, deadline: Deadline
    ) -> Assessment:
        """Score and mask in another process; raises DeadlinePassed and Overloaded."""
        ...


class PolicyAssessor:
    """Scores and masks for one policy; without a `pool` long texts are scored on the event loop too."""

    def __init__(self, policy: Policy, assessor: Assessor, *, pool: Pool | None = None) -> None:
        self._policy = policy
        self._assessor = assessor
        self._pool = pool

    async def assess(
        self, request: Request, deadline: Deadline, entities: Entities = _NO_ENTITIES
    ) -> Assessment:
        """Score and mask until `deadline`; raises DeadlinePassed and Overloaded for long texts."""
        if self._pool is None or _scored_bytes(request) <= ON_LOOP_BYTES:
            return self._assessor.assess(request, entities)
        return await self._pool.assess(self._policy, request, entities, deadline)


def _scored_bytes(request: Request) -> int:
    """Return how much text the scorers read: everything that a backend is sent."""
    config = request.config
    texts = (*(message.content for message in request.messages), *config.stop, config.json_schema or "")
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
