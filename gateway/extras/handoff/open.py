"""A desk for callers and a clerk for people, from what an operator gives: state, environment, policy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from gateway.clock import Clock
from gateway.domain.optional import require
from gateway.errors import HandoffUnavailable, StartupError
from gateway.extras.handoff.queue import Queue, kind_of, open_queue
from gateway.extras.handoff.responder import Responder
from gateway.extras.handoff.service import HandoffService
from gateway.policy.handoff import Handoff

if TYPE_CHECKING:
    from gateway.extras.handoff.encryption import KeyRing

_log = structlog.get_logger()
_WAYS = {"sqlite": "--state sqlite:///PATH", "redis": "--state redis://HOST"}


class HandoffOpener:
    """Opens the hand-off service for the first policy that hands over; its tickets outlive that policy."""

    def __init__(self, *, state_url: str, environ: Mapping[str, str], clock: Clock) -> None:
        self._state_url = state_url
        self._environ = environ
        self._clock = clock
        self._service: HandoffService | None = None

    def service(self, section: Handoff | None) -> HandoffService | None:
        """Return the service for a policy's section; raises StartupError where state or key do not fit.

        A policy without a section, too, answers for the tickets of those before it.
        """
        if section is not None:
            check_kind(section, self._state_url)
            if self._service is None:
                keys = keys_of(self._environ)
                self._service = HandoffService(
                    open_queue(self._state_url, clock=self._clock), keys, clock=self._clock
                )
        return self._service

    async def check(self) -> None:
        """Raise StartupError if what waits for people is sealed with another key."""
        if self._service is not None:
            try:
                await self._service.check()
            except HandoffUnavailable as error:
                _log.warning("handoff.unavailable", why=str(error))

    async def aclose(self) -> None:
        """Close what was opened."""
        if self._service is not None:
            await self._service.aclose()


def open_clerk(queue: Queue, *, environ: Mapping[str, str], by: str, clock: Clock) -> Responder:
    """Return a person at a queue; raises StartupError without a key."""
    return Responder(queue, keys_of(environ), by=by, clock=clock)


def check_kind(section: Handoff, state_url: str) -> None:
    """Raise StartupError unless the state is of the kind that the policy names."""
    if kind_of(state_url) != section.queue:
        raise StartupError(
            f"handoff.queue: {section.queue} needs {_WAYS[section.queue]}, which says the place"
        )


def keys_of(environ: Mapping[str, str]) -> "KeyRing":
    """Return the keys of the environment; raises StartupError."""
    require("handoff", because="handoff: needs the library for encryption")
    from gateway.extras.handoff.encryption import KeyRing

    return KeyRing.of(environ)
