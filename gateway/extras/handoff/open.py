"""Opens the hand-off service and the responder from state URL, environment and policy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from gateway.clock import Clock
from gateway.domain.optional import require
from gateway.errors import HandoffUnavailable, StartupError
from gateway.extras.handoff.queue import HandoffQueue, kind_of, open_queue
from gateway.extras.handoff.responder import Responder
from gateway.extras.handoff.service import HandoffService
from gateway.policy.handoff import Handoff

if TYPE_CHECKING:
    from gateway.extras.handoff.encryption import KeyRing

_log = structlog.get_logger()
_STATE_FLAGS = {"sqlite": "--state sqlite:///PATH", "redis": "--state redis://HOST"}


class HandoffOpener:
    """Opens the hand-off service for the first policy with a `handoff` section; it outlives that policy."""

    def __init__(self, *, state_url: str, environ: Mapping[str, str], clock: Clock) -> None:
        self._state_url = state_url
        self._environ = environ
        self._clock = clock
        self._service: HandoffService | None = None

    def service(self, section: Handoff | None) -> HandoffService | None:
        """Return the service for a policy's section; raises StartupError where state or key are wrong.

        With a policy without a section, the service still serves the tickets of earlier policies.
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
        """Raise StartupError if the queue is encrypted with another key."""
        if self._service is not None:
            try:
                await self._service.check()
            except HandoffUnavailable as error:
                _log.warning("handoff.unavailable", why=str(error))

    async def aclose(self) -> None:
        """Close the service."""
        if self._service is not None:
            await self._service.aclose()


def open_responder(queue: HandoffQueue, *, environ: Mapping[str, str], by: str, clock: Clock) -> Responder:
    """Return the responder for a person; raises StartupError without a key."""
    return Responder(queue, keys_of(environ), by=by, clock=clock)


def check_kind(section: Handoff, state_url: str) -> None:
    """Raise StartupError unless the state URL has the kind that the policy names."""
    if kind_of(state_url) != section.queue:
        raise StartupError(f"handoff.queue: {section.queue} needs {_STATE_FLAGS[section.queue]}")


def keys_of(environ: Mapping[str, str]) -> "KeyRing":
    """Read the keys from the environment; raises StartupError."""
    require("handoff", because="handoff: needs the library for encryption")
    from gateway.extras.handoff.encryption import KeyRing

    return KeyRing.of(environ)
