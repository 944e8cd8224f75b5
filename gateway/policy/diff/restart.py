"""Changes of a policy that need a restart, because engines run with the old one. Pure."""

from collections.abc import Iterator

from gateway.policy.model import Policy
from gateway.policy.source import Path
from gateway.policy.spec import CommonKeys

_NEEDS = "needs a restart of the gateway"
_ADDED = "that is added or replaced"


def needs_restart(before: Policy, after: Policy) -> Iterator[tuple[Path, str]]:
    """Yield every change of local models, without the keys that engines do not read."""
    for name, old in before.engines.items():
        here, new = ("models", name), after.engines.get(name)
        if new is not None:
            for key in type(new).model_fields:
                if key not in CommonKeys.model_fields and getattr(new, key) != getattr(old, key):
                    yield (*here, key), f"a local model that is changed {_NEEDS}"
        elif name in after.models:
            yield here, f"a local model {_ADDED} {_NEEDS}"
        else:
            detail = f"a local model that is removed {_NEEDS}; to stop its requests, remove it from the rules"
            yield here, detail
    for name in after.engines:
        if name not in before.engines:
            yield ("models", name), f"a local model {_ADDED} {_NEEDS}"
