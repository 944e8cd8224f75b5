"""A detector of entities that says what a test tells it."""

import asyncio
from collections.abc import Sequence

from gateway.clock import Deadline
from gateway.domain.privacy import Finding
from gateway.domain.request import Request
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.privacy.entities.ask import EntityLookup
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())


class Says:
    """A detector that says, raises or does what it is told to."""

    def __init__(self, said: object, *, delay_s: float = 0.0) -> None:
        self.said = said
        self.delay_s = delay_s

    async def find(self, request: Request, deadline: Deadline) -> Sequence[Finding]:
        """Do it."""
        await asyncio.sleep(self.delay_s)
        if isinstance(self.said, BaseException):
            raise self.said
        return self.said  # type: ignore[return-value]  # The point of this double.


def desk(said: object, *, limit_s: float = 5.0, delay_s: float = 0.0) -> EntityLookup:
    """Return a desk with such a detector."""
    return EntityLookup(Says(said, delay_s=delay_s), limit_s=limit_s, clock=FakeClock())
