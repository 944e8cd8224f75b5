"""Callers of two tenants, one of which means harm, and the models that they call."""

from collections.abc import Sequence

from gateway.backends.base import Backend
from gateway.domain.answer import Usage
from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.policies import POLICY

KEYS = {"acme": "gw_acme", "eve": "gw_eve"}


USAGE = Usage(prompt_tokens=3, completion_tokens=2)


PATIENT = POLICY.replace("deadline_s: {default: 5, max: 10}", "deadline_s: {default: 60, max: 60}").replace(
    "attempts: 1", "attempts: 1, first_token_s: 60"
)
"""No call of a flood is over before the others have asked, however slow the machine is."""


def as_tenant(tenant: str) -> Sequence[tuple[str, str]]:
    """Return the metadata of a tenant, or of whoever has this as its key."""
    return (("authorization", f"Bearer {KEYS.get(tenant, tenant)}"),)


def edge_of(script: object = None) -> dict[str, Backend]:
    """Return the models of a gateway, of which the edge follows a script."""
    return {
        "edge": ScriptedBackend("edge", script or (lambda _: reply("fine", usage=USAGE))),  # type: ignore[arg-type]
        "cloud": ScriptedBackend("cloud", lambda _: reply("fine", usage=USAGE)),
    }
