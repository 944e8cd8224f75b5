"""Repeats recorded decisions by the same policy or by another one. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.complexity.complexity import complexity_of
from gateway.domain.decision import Decision, RoutingInput
from gateway.domain.privacy import PrivacyClass
from gateway.ledger.money import cost_usd_nanos
from gateway.policy.model import Policy, privacy_class
from gateway.privacy.classify import class_of, scale_of, score_of
from gateway.records.decoding import DecisionRecord
from gateway.routing import Decider


def input_under(recorded: RoutingInput, before: Policy, after: Policy) -> RoutingInput:
    """Return a recorded input under another policy, from its recorded features and evidence.

    Without features or evidence it stays as it is. No text is recorded, so a model that masks more types is
    assumed to mask all findings, and one that masks fewer to mask none.
    """
    routing_input = recorded
    if recorded.features and before.scorer != after.scorer:
        complexity = complexity_of(recorded.features, after.scorer, recorded.signals)
        routing_input = replace(routing_input, complexity=complexity)
    if recorded.evidence is None:
        return routing_input
    scale = scale_of(after.privacy)
    score = score_of(recorded.evidence, scale)
    class_, reason = class_of(score, recorded.evidence, scale, recorded.hint)
    found = sorted(
        kind for kind, each in recorded.evidence.items() if each.highest >= after.privacy.report_at
    )
    return replace(
        routing_input,
        privacy=score,
        privacy_class=class_,
        privacy_reason=reason,
        findings=tuple(found),
        masked_classes=dict(_masked(recorded, before, after)),
    )


def _masked(recorded: RoutingInput, before: Policy, after: Policy) -> Iterator[tuple[str, PrivacyClass]]:
    for name, spec in after.models.items():
        was = before.models[name].masked_types if name in before.models else frozenset()
        if spec.masked_types == was and name in recorded.masked_classes:
            yield name, recorded.masked_classes[name]
        elif spec.masked_types - was and not spec.masked_types.isdisjoint(recorded.evidence or ()):
            yield name, PrivacyClass.PUBLIC


def not_reproduced(recorded: DecisionRecord, policy: Policy) -> list[str]:
    """Return the differences between a recorded decision and the policy's decision now, field by field."""
    was = recorded.routing_input
    differences = []
    complexity = complexity_of(was.features, policy.scorer, was.signals)
    if was.features and complexity != was.complexity:
        differences.append(f"complexity {was.complexity!r}, now {complexity!r}")
    if was.evidence is not None:
        scale = scale_of(policy.privacy)
        score = score_of(was.evidence, scale)
        class_, _ = class_of(score, was.evidence, scale, was.hint)
        if score != was.privacy:
            differences.append(f"privacy {was.privacy!r}, now {score!r}")
        if class_ != was.privacy_class:
            differences.append(f"class {was.privacy_class.name}, now {class_.name}")
    again = Decider(policy).decide(was, recorded.state)
    for name in ("rule", "rule_errors", "chain", "refused"):
        before, after = getattr(recorded, name), getattr(again, name)
        if before != after:
            differences.append(f"{name} {_shown(before)}, now {_shown(after)}")
    return differences


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(getattr(each, 'model', str(each)) for each in value)}]"
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Decisions of two policies for one recorded request."""

    before: Decision
    after: Decision
    privacy_class: PrivacyClass
    """The higher class of both."""
    cost_before_usd_nanos: int
    cost_after_usd_nanos: int
    is_new_to_cloud: bool
    """Whether the request may reach a model in the cloud under the new policy only."""
    is_uncertain: bool
    """Whether a rule reads a label that was not recorded."""

    @property
    def goes_elsewhere(self) -> bool:
        """Whether the chain differs in models or order."""
        return self.before.chain != self.after.chain


def difference(recorded: DecisionRecord, old: Policy, new: Policy) -> Difference:
    """Return the decisions of both policies for a recorded request."""
    before, after = (
        Decider(policy).decide(input_under(recorded.routing_input, old, policy), recorded.state)
        for policy in (old, new)
    )
    is_uncertain = recorded.labels_left_out > 0 and any(reads_labels(policy) for policy in (old, new))
    class_ = max(before.privacy_class, after.privacy_class)
    reached = _reaches(before.chain, old)
    reaches = _reaches(after.chain, new) or (is_uncertain and _may_reach(after.privacy_class, new))
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
    """Return whether a rule of the policy reads labels."""
    return policy.reads_labels


def _reaches(chain: tuple[str, ...], policy: Policy) -> bool:
    return any(policy.models[name].leaves_host for name in chain)


def _may_reach(class_: PrivacyClass, policy: Policy) -> bool:
    return any(
        (spec := policy.models[name]).leaves_host and privacy_class(spec.clearance) >= class_
        for rule in policy.rules
        for name in rule.route
    )


def cost_of_first(recorded: DecisionRecord, decision: Decision, policy: Policy) -> int:
    """Return the cost of the first model of a chain for the recorded answer; 0 where it was kept."""
    if not decision.chain or recorded.usage is None or recorded.is_cached:
        return 0
    return cost_usd_nanos(policy.models[decision.chain[0]], recorded.usage)
