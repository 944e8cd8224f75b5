"""Lists the rules that may send more requests to the cloud than before; pure."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.domain.trimming import Trim
from gateway.policy.model import CompiledRule, ModelSpec, Policy
from gateway.policy.source import Path

_Models = Mapping[str, ModelSpec]


def loosened_rules(before: Policy, after: Policy) -> Iterator[tuple[Path, str]]:
    """Yield each change of the rules that may send a further request to the cloud.

    Conditions are not compared for what they match: every change of a condition counts if this rule, or one
    after it, reaches the cloud.
    """
    was = {rule.name: rule for rule in before.rules}
    for index, rule in enumerate(after.rules):
        here = ("rules", index)
        old = was.get(rule.name)
        if old is None:
            if cloud := _cloud(rule, after.models):
                yield here, f"{rule.name} is new and reaches {', '.join(cloud)}"
            continue
        for message in _routes(old, rule, before.models, after.models):
            yield (*here, "route"), message
        if old.text != rule.text and _reaches(after.rules[index:], after.models):
            yield (*here, "when"), f"the condition of {rule.name} changed"
        if _leaves_out_more(old, rule) and (cloud := _cloud(rule, after.models)):
            detail = f"conversations that were too long for {', '.join(cloud)} are sent there shortened"
            yield (*here, "context"), detail
    names = [rule.name for rule in after.rules]
    for index, rule in enumerate(before.rules):
        if rule.name not in names and index + 1 < len(before.rules) and _reaches(after.rules, after.models):
            yield ("rules",), f"{rule.name} is removed: its requests go to the rules after it"
    stayed = [rule.name for rule in before.rules if rule.name in names]
    if stayed != [name for name in names if name in was] and _reaches(after.rules, after.models):
        yield ("rules",), "their order changed"


def _routes(old: CompiledRule, new: CompiledRule, was: _Models, now: _Models) -> Iterator[str]:
    for position, model in enumerate(new.route):
        if not now[model].leaves_host:
            continue
        if model not in old.route or not (model in was and was[model].leaves_host):
            yield f"{new.name} now reaches {model}"
            continue
        first = [each for each in old.route[: old.route.index(model)] if not was[each].leaves_host]
        if earlier := [each for each in first if each not in new.route[:position]]:
            yield f"{new.name} tries {model} before {', '.join(earlier)}"


def _leaves_out_more(old: CompiledRule, new: CompiledRule) -> bool:
    """Say whether a rule shortens what it did not: such a conversation may be short enough to be sent."""
    order = tuple(Trim)
    was, now = (Trim.NONE if each.context is None else each.context.trim for each in (old, new))
    return order.index(now) > order.index(was)


def _reaches(rules: Sequence[CompiledRule], models: _Models) -> bool:
    return any(_cloud(rule, models) for rule in rules)


def _cloud(rule: CompiledRule, models: _Models) -> list[str]:
    """Return the models of a route that are behind an API, whatever their `place`."""
    return [name for name in rule.route if models[name].leaves_host]
