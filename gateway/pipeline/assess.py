"""Where a request is scored: short texts on the event loop, long ones in the scoring pool."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple, Protocol

from gateway.clock import Deadline
from gateway.domain.decision import RoutingInput
from gateway.domain.privacy import Entities, PrivacyAssessment
from gateway.domain.request import Request
from gateway.domain.strings import strings_of
from gateway.pipeline.assessor import NO_ENTITIES, Assessment, Assessor
from gateway.pipeline.loop_share import LoopShare
from gateway.policy.model import Policy

AT_ONCE_BYTES = 1024
"""So much text is scored on the event loop whatever else is: it costs no more than the call itself."""
ON_LOOP_BYTES = 4 * 1024
"""More text than this is scored in another process, so that the event loop goes on."""
MASKED_PASSES = 4
"""How many times a text is scored, at most, where there are models that need a mask."""
CHECKED_AT_ONCE_BYTES = 16 * 1024
"""A longer schema takes more than a millisecond to check, and waits for its turn at the event loop."""


class Pool(Protocol):
    """Other processes that score, as `PolicyAssessor` needs them."""

    async def assess(
        self, policy: Policy, request: Request, entities: Entities, deadline: Deadline
    ) -> Assessment:
        """Score and mask in another process; raises DeadlinePassed and Overloaded."""
        ...


class Elsewhere(NamedTuple):
    """Where long texts are scored, and the turns of those that are scored on the event loop."""

    pool: Pool
    share: LoopShare


class PolicyAssessor:
    """Scores and masks for one policy; without `elsewhere` it does everything on the event loop."""

    def __init__(self, policy: Policy, assessor: Assessor, *, elsewhere: Elsewhere | None = None) -> None:
        self._policy = policy
        self._assessor = assessor
        self._elsewhere = elsewhere
        has_masks = any(spec.masked_types for spec in policy.models.values())
        passes = MASKED_PASSES if has_masks else 1
        self._at_once_bytes = AT_ONCE_BYTES // passes
        self._on_loop_bytes = ON_LOOP_BYTES // passes

    def turn_to_check(
        self, tenant: str, schema_chars: int, deadline: Deadline
    ) -> AbstractAsyncContextManager[None]:
        """Return what is held while a schema is checked; entering raises Overloaded."""
        if self._elsewhere is None or schema_chars <= CHECKED_AT_ONCE_BYTES:
            return nullcontext()
        return self._elsewhere.share.turn(tenant, deadline)

    async def assess(
        self, request: Request, deadline: Deadline, entities: Entities = NO_ENTITIES
    ) -> RoutingInput:
        """Score and mask for routing; raises DeadlinePassed and Overloaded for long texts."""
        return self._assessor.routing_input(request, await self._measure(request, deadline, entities))

    async def check_privacy(self, request: Request, deadline: Deadline) -> PrivacyAssessment:
        """Say how private a request is; raises as `assess` does."""
        return (await self._measure(request, deadline, NO_ENTITIES)).privacy

    async def _measure(self, request: Request, deadline: Deadline, entities: Entities) -> Assessment:
        elsewhere, size = self._elsewhere, _scored_bytes(request)
        if elsewhere is None or size <= self._at_once_bytes:
            return self._assessor.measure(request, entities)
        if size <= self._on_loop_bytes and elsewhere.share.is_free:
            async with elsewhere.share.turn(request.tenant, deadline):
                return self._assessor.measure(request, entities)
        return await elsewhere.pool.assess(self._policy, request, entities, deadline)


def _scored_bytes(request: Request) -> int:
    """Return how much text the scorers read: everything that a backend is sent."""
    texts = (string.text for string in strings_of(request))
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
