"""A desk for callers and a clerk for people, from what an operator gives: state, environment, policy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.clock import Clock
from gateway.domain.optional import require
from gateway.errors import StartupError
from gateway.extras.handoff.queue import Queue, kind_of, open_queue
from gateway.extras.handoff.responder import Responder
from gateway.extras.handoff.service import HandoffService
from gateway.policy.handoff import Handoff

if TYPE_CHECKING:
    from gateway.extras.handoff.encryption import KeyRing

_WAYS = {"sqlite": "--state sqlite:///PATH", "redis": "--state redis://HOST"}


def open_desk(
    section: Handoff, *, state_url: str, environ: Mapping[str, str], clock: Clock
) -> HandoffService:
    """Return the desk of a policy's section; raises StartupError for a state or key that does not fit."""
    check_kind(section, state_url)
    keys = keys_of(environ)
    return HandoffService(open_queue(state_url, clock=clock), keys, clock=clock)


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
