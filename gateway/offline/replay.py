"""Recorded decisions, made again: by the policy that made them, or by another one. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.complexity.complexity import complexity_of
from gateway.ledger.money import cost_usd_nanos
from gateway.policy.model import Policy, privacy_class
from gateway.privacy.classify import class_of, scale_of, score_of
from gateway.records.codec import DecisionRecord
from gateway.routing import ChainSelection, choose
from gateway.types import PrivacyClass, RoutingInput


def case_under(case: RoutingInput, before: Policy, after: Policy) -> RoutingInput:
    """Return a case as the scorers of another policy judge it, by what was counted and found.

    What could not be judged stays as it is. A model whose mask grew may get what it would mask, since nobody
    can look at the text again; one whose mask shrank gets nothing masked.
    """
    if case.features and before.scorer != after.scorer:
        complexity = complexity_of(case.features, after.scorer)
        case = replace(case, facts=replace(case.facts, complexity=complexity))
    if case.evidence is None:
        return case
    scale = scale_of(after.privacy)
    score = score_of(case.evidence, scale)
    class_, _ = class_of(score, case.evidence, scale, case.hint)
    found = tuple(
        sorted(kind for kind, each in case.evidence.items() if each.highest >= after.privacy.report_at)
    )
    facts = replace(case.facts, privacy=score, privacy_class=class_, findings=found)
    return replace(case, facts=facts, masked_classes=dict(_masked(case, before, after)))


def _masked(case: RoutingInput, before: Policy, after: Policy) -> Iterator[tuple[str, PrivacyClass]]:
    for name, spec in after.models.items():
        was = before.models[name].masked_types if name in before.models else frozenset()
        if spec.masked_types == was and name in case.masked_classes:
            yield name, case.masked_classes[name]
        elif spec.masked_types - was and not spec.masked_types.isdisjoint(case.evidence or ()):
            yield name, PrivacyClass.PUBLIC


def not_reproduced(recorded: DecisionRecord, policy: Policy) -> list[str]:
    """Return what the policy would decide otherwise than it did, field by field."""
    case = recorded.case
    said = []
    if case.features and (complexity := complexity_of(case.features, policy.scorer)) != case.facts.complexity:
        said.append(f"complexity {case.facts.complexity!r}, now {complexity!r}")
    if case.evidence is not None:
        scale = scale_of(policy.privacy)
        score = score_of(case.evidence, scale)
        class_, _ = class_of(score, case.evidence, scale, case.hint)
        if score != case.facts.privacy:
            said.append(f"privacy {case.facts.privacy!r}, now {score!r}")
        if class_ != case.facts.privacy_class:
            said.append(f"class {case.facts.privacy_class.name}, now {class_.name}")
    choice = choose(case, policy)
    for name in ("rule", "rule_errors", "chain", "refused"):
        was, now = getattr(recorded, name), getattr(choice, name)
        if was != now:
            said.append(f"{name} {_shown(was)}, now {_shown(now)}")
    return said


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(getattr(each, 'model', str(each)) for each in value)}]"
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What another policy makes of a recorded request."""

    before: ChainSelection
    after: ChainSelection
    privacy_class: PrivacyClass
    """The higher of what both say."""
    cost_before_usd_nanos: int
    cost_after_usd_nanos: int
    is_new_to_cloud: bool
    """Whether it may now reach a model behind an API, and could not before."""
    is_uncertain: bool
    """Whether a rule reads a label that was not recorded."""

    @property
    def goes_elsewhere(self) -> bool:
        """Whether other models may answer, or in another order."""
        return self.before.chain != self.after.chain


def difference(recorded: DecisionRecord, old: Policy, new: Policy) -> Difference:
    """Return what both policies make of a recorded request."""
    was, now = case_under(recorded.case, old, old), case_under(recorded.case, old, new)
    before, after = choose(was, old), choose(now, new)
    is_uncertain = recorded.labels_left_out > 0 and any(reads_labels(policy) for policy in (old, new))
    class_ = max(was.facts.privacy_class, now.facts.privacy_class)
    reached = _reaches(before.chain, old)
    reaches = _reaches(after.chain, new) or (is_uncertain and _may_reach(now.facts.privacy_class, new))
    return Difference(
        before=before,
        after=after,
        privacy_class=class_,
        cost_before_usd_nanos=cost_of_first(recorded, before, old),
        cost_after_usd_nanos=cost_of_first(recorded, after, new),
        is_new_to_cloud=reaches and not reached,
        is_uncertain=is_uncertain,
    )


def reads_labels(policy: Policy) -> bool:
    """Say whether a rule of the policy looks at labels."""
    return any("labels" in (rule.text or "") for rule in policy.rules)


def _reaches(chain: tuple[str, ...], policy: Policy) -> bool:
    return any(policy.models[name].leaves_host for name in chain)


def _may_reach(class_: PrivacyClass, policy: Policy) -> bool:
    return any(
        (spec := policy.models[name]).leaves_host and privacy_class(spec.clearance) >= class_
        for rule in policy.rules
        for name in rule.route
    )


def cost_of_first(recorded: DecisionRecord, choice: ChainSelection, policy: Policy) -> int:
    """Return what the first model of a chain would have cost, by the tokens that the answer had."""
    if not choice.chain or recorded.usage is None:
        return 0
    return cost_usd_nanos(policy.models[choice.chain[0]], recorded.usage)
