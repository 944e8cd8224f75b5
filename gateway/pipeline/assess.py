"""Where a request is scored: short texts on the event loop, long ones in the scoring pool."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from gateway.clock import Deadline
from gateway.complexity.features import last_of_user
from gateway.domain.decision import RoutingInput
from gateway.domain.privacy import Entities, PrivacyAssessment
from gateway.domain.request import Request
from gateway.domain.strings import RequestString, strings_of, without_bytes
from gateway.pipeline.assessor import NO_ENTITIES, Assessment, Assessor
from gateway.pipeline.loop_share import LoopShare
from gateway.pipeline.steps import Slices, Steps, finished
from gateway.policy.model import Policy
from gateway.privacy.scanner import Summary
from gateway.privacy.summary_cache import Seen, SummaryCache

AT_ONCE_BYTES = 1024
"""So much text is scored on the event loop whatever else is: it costs no more than the call itself."""
ON_LOOP_BYTES = 4 * 1024
"""More text than this is scored in another process, so that the event loop goes on."""
MASKED_PASSES = 4
"""How many times a text is scored, at most, where there are models that need a mask."""
CHECKED_CHARS = 16 * 1024
"""So much of schemas and arguments is checked immediately, the rest in turns at the event loop of so much
each, which takes one to three milliseconds."""

Known = Sequence[Summary | None]
"""What is known of each string of a request."""


class Pool(Protocol):
    """Other processes that score, as `PolicyAssessor` needs them."""

    async def assess(
        self,
        policy: Policy,
        request: Request,
        entities: Entities,
        deadline: Deadline,
        known: Known | None = None,
    ) -> Assessment:
        """Score and mask in another process; raises DeadlinePassed and Overloaded."""
        ...


class Elsewhere(NamedTuple):
    """Where long texts are scored, and the turns of those that are scored on the event loop."""

    pool: Pool
    share: LoopShare
    summaries: SummaryCache | None = None
    """What was found in strings of requests before."""


class PolicyAssessor:
    """Scores and masks for one policy; without `elsewhere` it does everything on the event loop."""

    def __init__(self, policy: Policy, assessor: Assessor, *, elsewhere: Elsewhere | None = None) -> None:
        self._policy = policy
        self._assessor = assessor
        self._elsewhere = elsewhere
        has_masks = any(spec.masked_types for spec in policy.models.values())
        self._has_masks = has_masks
        passes = MASKED_PASSES if has_masks else 1
        self._at_once_bytes = AT_ONCE_BYTES // passes
        self._on_loop_bytes = ON_LOOP_BYTES // passes

    async def check(self, tenant: str, steps: Steps[Request], deadline: Deadline) -> Request:
        """Return what the steps of a check give; raises what they do, and Overloaded for long ones."""
        if self._elsewhere is None:
            return finished(steps)
        slices = Slices(steps)
        slices.begin(CHECKED_CHARS)
        while not slices.ended:
            async with self._elsewhere.share.turn(tenant, deadline):
                slices.take(CHECKED_CHARS)
        return slices.ended[0]

    async def assess(
        self, request: Request, deadline: Deadline, entities: Entities = NO_ENTITIES
    ) -> RoutingInput:
        """Score and mask for routing; raises DeadlinePassed and Overloaded for long texts."""
        return self._assessor.routing_input(request, await self._measure(request, deadline, entities))

    async def check_privacy(self, request: Request, deadline: Deadline) -> PrivacyAssessment:
        """Say how private a request is; raises as `assess` does."""
        return (await self._measure(request, deadline, NO_ENTITIES)).privacy

    async def _measure(self, request: Request, deadline: Deadline, entities: Entities) -> Assessment:
        cache = self._elsewhere.summaries if self._elsewhere is not None else None
        # Of a single message nothing is known, and a short one is scanned as quickly as it is looked up.
        if cache is None or (len(request.messages) == 1 and not request.config.tools):
            return await self._measured(request, deadline, entities, None, _bytes_of(strings_of(request)))
        seen = cache.look_up(request, self._policy.hash)
        measured = await self._measured(
            request, deadline, entities, seen.known, self._read_bytes(request, seen)
        )
        cache.keep(seen, measured.summaries)
        return measured

    async def _measured(
        self, request: Request, deadline: Deadline, entities: Entities, known: Known | None, size: int
    ) -> Assessment:
        elsewhere = self._elsewhere
        if elsewhere is None or size <= self._at_once_bytes:
            return self._assessor.measure(request, entities, known)
        if size <= self._on_loop_bytes and elsewhere.share.is_free:
            async with elsewhere.share.turn(request.tenant, deadline):
                return self._assessor.measure(request, entities, known)
        sent = without_bytes(request)
        return await elsewhere.pool.assess(self._policy, sent, entities, deadline, known)

    def _read_bytes(self, request: Request, seen: Seen) -> int:
        """Return how much text is read: what is not known, and by the complexity scorer the user's last."""
        if self._has_masks:
            return _bytes_of(seen.strings)
        last = last_of_user(request.messages)
        return _bytes_of(
            string
            for string, known in zip(seen.strings, seen.known, strict=True)
            if known is None or string.message_index == last >= 0
        )


def _bytes_of(strings: Iterable[RequestString]) -> int:
    return sum(
        len(text) if (text := each.text).isascii() else len(text.encode("utf-8", "replace"))
        for each in strings
    )
