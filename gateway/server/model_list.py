"""The names that callers may ask for, and what each can do: what every transport's list of models shows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.domain.answer import Route
from gateway.domain.capability import Capability
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
    space: str = ""
    """The vector space of an embedding model; empty for others."""

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for many names, and is none itself."""
        return "*" in self.name


def list_models(
    policy: Policy, *, key_name: str, lacking: Mapping[str, frozenset[Capability]]
) -> tuple[ListedModel, ...]:
    """Return the models, `auto`, and the aliases, each in the order of the policy.

    `key_name` is that of the caller's API key ("": none), which the policy may narrow to some models.
    `lacking` is what local models turned out not to have, as in `RoutingState`.
    """
    allowed = policy.models_of_key(key_name)
    specs = {name: spec for name, spec in policy.models.items() if allowed is None or name in allowed}
    models = {
        name: _model(name, spec, lacking=lacking.get(name, frozenset())) for name, spec in specs.items()
    }
    known = {**models, AUTO: _any_of(tuple(models.values()))}
    aliases = (
        replace(known[target], name=name, stands_for=target)
        for name, target in policy.aliases.items()
        if target in known
    )
    return (*known.values(), *aliases)


def _model(name: str, spec: ModelSpec, *, lacking: frozenset[Capability]) -> ListedModel:
    return ListedModel(
        name=name,
        stands_for=None,
        place=spec.route,
        context=spec.context,
        modalities=spec.reads,
        calls_tools=Capability.TOOLS in spec.capabilities - lacking,
        price=spec.token_price,
        space="" if spec.embedding is None else spec.embedding.space,
    )


def _any_of(models: tuple[ListedModel, ...]) -> ListedModel:
    return ListedModel(
        name=AUTO,
        stands_for=AUTO,
        place=None,
        context=max(model.context for model in models),
        modalities=tuple(dict.fromkeys(form for model in models for form in model.modalities)),
        calls_tools=any(model.calls_tools for model in models),
        price=None,
    )
