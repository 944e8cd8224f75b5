"""Calls entity detectors with a time limit; a failure makes the request restricted.

A detector may wait for a model or a thread, which scoring never does. So it runs before, and the scorer gets
its findings as a value.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway.clock import Clock, Deadline
from gateway.domain.privacy import Entities, Finding
from gateway.domain.request import Request
from gateway.domain.strings import RequestString, strings_of


def read_strings(request: Request) -> list[RequestString]:
    """Return the strings of the messages of a request in which there may be names: all but ids."""
    return [each for each in strings_of(request) if each.message_index >= 0 and not each.is_id]


class EntityDetector(Protocol):
    """Finds names, places and the like in the messages of a request."""

    async def find(self, request: Request, deadline: Deadline) -> Sequence[Finding]:
        """Return the findings; any exception makes the request restricted."""
        ...


class EntityLookup:
    """Calls one detector with a time limit, for all requests of a policy."""

    def __init__(self, detector: EntityDetector, *, limit_s: float, clock: Clock) -> None:
        self._detector = detector
        self._limit_s = limit_s
        self._clock = clock

    async def ask(self, request: Request, deadline: Deadline) -> Entities:
        """Return the findings or the failure; raises nothing but CancelledError."""
        limit_s = max(0.0, min(self._limit_s, deadline.remaining_s(self._clock)))
        try:
            async with asyncio.timeout(limit_s):
                found = await self._detector.find(request, Deadline.after(limit_s, self._clock))
            return Entities(findings=tuple(found))
        except TimeoutError:
            return Entities(failure="entities over time")
        except Exception:  # noqa: BLE001 - after any error the text is not fully scanned.
            return Entities(failure="entities failed")


async def ask_all(lookups: Iterable[EntityLookup], request: Request, deadline: Deadline) -> Entities:
    """Return the findings of all detectors, and the first failure."""
    answers = await asyncio.gather(*(lookup.ask(request, deadline) for lookup in lookups))
    failures = [answer.failure for answer in answers if answer.failure is not None]
    return Entities(
        findings=tuple(found for answer in answers for found in answer.findings),
        failure=failures[0] if failures else None,
    )
