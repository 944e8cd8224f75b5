"""What of a policy a running process cannot take up: its engines were started with the old one. Pure."""

from collections.abc import Iterator

from gateway.policy.model import LlamaCppModel, Policy
from gateway.policy.source import Path
from gateway.policy.spec import CommonKeys

_NEEDS = "needs a restart of the gateway"


def needs_restart(before: Policy, after: Policy) -> Iterator[tuple[Path, str]]:
    """Yield every change of the local models, but for the keys that no engine is told."""
    for name, new in after.models.items():
        old = before.models.get(name)
        here = ("models", name)
        if isinstance(new, LlamaCppModel) != isinstance(old, LlamaCppModel):
            yield here, f"a local model that is added, or takes another's name, {_NEEDS}"
        elif isinstance(new, LlamaCppModel):
            for key in LlamaCppModel.model_fields:
                if key not in CommonKeys.model_fields and getattr(new, key) != getattr(old, key):
                    yield (*here, key), f"a local model that is changed {_NEEDS}"
    for name, old in before.models.items():
        if isinstance(old, LlamaCppModel) and name not in after.models:
            said = f"a local model that is taken away {_NEEDS}; taken out of the rules it gets no request"
            yield ("models", name), said
