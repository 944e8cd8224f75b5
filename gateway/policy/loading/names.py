"""Checks of the names by which callers ask for models, and of what API keys are narrowed to."""

from collections.abc import Collection, Iterator, Mapping

from gateway.policy.aliases import AUTO
from gateway.policy.keys import KeyPolicy
from gateway.policy.loading.messages import did_you_mean, quoted
from gateway.policy.source import Path
from gateway.policy.spec import ModelSpec


def check_aliases(models: Collection[str], aliases: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield the path and the message of each error of `aliases`; `models` are the names of all models."""
    if AUTO in models:
        yield ("models", AUTO), "is the name for any model of the route; call this model otherwise"
    for alias, target in aliases.items():
        if alias == AUTO:
            yield ("aliases", alias), "is the name for any model of the route; leave it out"
        elif alias in models:
            yield ("aliases", alias), "is the name of a model already"
        if target != AUTO and target not in models:
            near = did_you_mean(target, (*sorted(models), AUTO))
            yield ("aliases", alias), f"no model is called{quoted(target)}{near}"


def check_spaces(models: Mapping[str, ModelSpec], aliases: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield the path and the message of each error of the vector spaces of models."""
    dimensions: dict[str, int] = {}
    for name, spec in models.items():
        embeds, path = spec.embedding, ("models", name, "embeds")
        if embeds is None:
            continue
        if embeds.space == AUTO or embeds.space in models or embeds.space in aliases:
            detail = "is the name of a model or alias already; callers ask for a space by its name"
            yield (*path, "space"), detail
        known = dimensions.setdefault(embeds.space, embeds.dimensions)
        if known != embeds.dimensions:
            detail = f"must be {known}, as of the other models of {embeds.space}: one space has one length"
            yield (*path, "dimensions"), detail


def check_keys(
    models: Collection[str], aliases: Mapping[str, str], keys: Mapping[str, KeyPolicy]
) -> Iterator[tuple[Path, str]]:
    """Yield the path and the message of each error of `keys`."""
    for name, key in keys.items():
        for position, model in enumerate(key.models):
            path = ("keys", name, "models", position)
            if AUTO in (model, aliases.get(model)):
                yield path, f"'{model}' is any model of the route, which narrows nothing; name models"
            elif model not in models and model not in aliases:
                near = did_you_mean(model, sorted((*models, *aliases)))
                yield path, f"no model or alias is called{quoted(model)}{near}"
