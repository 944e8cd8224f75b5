"""What of a policy a running process cannot take up: its engines were started with the old one. Pure."""

from collections.abc import Iterator

from gateway.policy.model import Policy
from gateway.policy.source import Path
from gateway.policy.spec import CommonKeys

_NEEDS = "needs a restart of the gateway"
_MOVED = "that is added, or takes another's name"


def needs_restart(before: Policy, after: Policy) -> Iterator[tuple[Path, str]]:
    """Yield every change of the local models, but for the keys that no engine is told."""
    for name, old in before.engines.items():
        here, new = ("models", name), after.engines.get(name)
        if new is not None:
            for key in type(new).model_fields:
                if key not in CommonKeys.model_fields and getattr(new, key) != getattr(old, key):
                    yield (*here, key), f"a local model that is changed {_NEEDS}"
        elif name in after.models:
            yield here, f"a local model {_MOVED}, {_NEEDS}"
        else:
            detail = f"a local model that is taken away {_NEEDS}; taken out of the rules it gets no request"
            yield here, detail
    for name in after.engines:
        if name not in before.engines:
            yield ("models", name), f"a local model {_MOVED}, {_NEEDS}"
