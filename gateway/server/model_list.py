"""The names that callers may ask for, and what each can do: what every transport's list of models shows."""

from dataclasses import dataclass, replace

from gateway.domain.answer import Route
from gateway.policy.aliases import AUTO
from gateway.policy.model import ModelSpec, Policy
from gateway.policy.priced import Price
from gateway.policy.spec import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A name, and what the model that it means can do; of `auto`, what some model of the policy can."""

    name: str
    stands_for: str | None
    """Of an alias, a model of the policy, or `auto`, any model of the route; None for a model itself."""
    place: Route | None
    """None: any."""
    context: int
    """Of `auto`, the largest: filters leave out the models into which a request does not fit."""
    modalities: tuple[Modality, ...]
    calls_tools: bool
    price: Price | None
    """None: it costs nothing, or that depends on which model answers."""

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for many names, and is none itself."""
        return "*" in self.name


def list_models(policy: Policy, *, key_name: str) -> tuple[ListedModel, ...]:
    """Return the models, `auto`, and the aliases, each in the order of the policy.

    `key_name` is that of the caller's API key ("": none), which the policy may narrow to some models.
    """
    allowed = policy.models_of_key(key_name)
    specs = {name: spec for name, spec in policy.models.items() if allowed is None or name in allowed}
    models = {name: _model(name, spec) for name, spec in specs.items()}
    known = {**models, AUTO: _any_of(tuple(specs.values()))}
    aliases = (
        replace(known[target], name=name, stands_for=target)
        for name, target in policy.aliases.items()
        if target in known
    )
    return (*known.values(), *aliases)


def _model(name: str, spec: ModelSpec) -> ListedModel:
    return ListedModel(
        name=name,
        stands_for=None,
        place=spec.route,
        context=spec.context,
        modalities=spec.reads,
        calls_tools=spec.calls_tools,
        price=spec.token_price,
    )


def _any_of(specs: tuple[ModelSpec, ...]) -> ListedModel:
    return ListedModel(
        name=AUTO,
        stands_for=AUTO,
        place=None,
        context=max(spec.context for spec in specs),
        modalities=tuple(dict.fromkeys(form for spec in specs for form in spec.reads)),
        calls_tools=any(spec.calls_tools for spec in specs),
        price=None,
    )
