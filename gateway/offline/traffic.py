"""Collects recorded requests for a threshold, and counts what limits the accuracy. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.domain.answer import Route
from gateway.offline.replay import reads_labels
from gateway.offline.thresholds import SideOutcomes, side_outcomes
from gateway.policy.loading.threshold import ALL_ABOVE, ALL_BELOW, Threshold, pinned
from gateway.policy.model import Policy
from gateway.records.decoding import DecisionRecord

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Recorded requests, each with its outcomes on both sides of a threshold."""

    requests: tuple[SideOutcomes, ...]
    span_s: float
    """Time from the end of the first request to the end of the last one."""
    explained: int
    """Left out: calls of Explain, which call no model."""
    embedded: int
    """Left out: calls of Embed, whose complexity says nothing."""
    cached: int
    """Left out: requests that got the answer to an earlier one, and reached no model."""
    scored_otherwise: int
    """Left out: requests that swing, were scored by another scorer, and have no recorded features to score
    them again."""
    of_other_policies: int
    without_labels: int
    """Requests with labels that were not recorded, though a rule reads labels."""
    without_usage: int
    """Requests that may go to the cloud and have no usage; their cost counts as 0."""
    answered_at_edge: int
    """Requests that may go to the cloud; their cost is estimated from the tokens of the local answer."""
    paid_usd_nanos: int
    """Actual cost of the answers."""
    fullest_budget: float
    """The highest share of a budget that was spent or reserved when a request was decided."""

    @property
    def always_cloud(self) -> int:
        """Number of requests that go to the cloud on both sides."""
        return sum(each.above.is_cloud and each.below.is_cloud for each in self.requests)

    @property
    def never_cloud(self) -> int:
        """Number of requests that go to the cloud on neither side."""
        return sum(not (each.above.is_cloud or each.below.is_cloud) for each in self.requests)

    @property
    def swing(self) -> int:
        """Number of requests that the threshold decides."""
        return sum(each.swings for each in self.requests)

    def under(self, threshold: Threshold) -> tuple[int, int]:
        """Return number and cost of the requests in the cloud under the present threshold."""
        found = [each.above if threshold.is_above(each.complexity) else each.below for each in self.requests]
        return sum(each.is_cloud for each in found), sum(each.cost_usd_nanos for each in found)

    def uses_up(self, cost_usd_nanos: int) -> bool:
        """Return whether this cost would use up a budget, whose effect is not part of the figures.

        Budgets without recorded spend are ignored.
        """
        grows = cost_usd_nanos > self.paid_usd_nanos and self.fullest_budget > 0.0
        return grows and self.fullest_budget * cost_usd_nanos >= self.paid_usd_nanos

    def a_day(self, cost_usd_nanos: float) -> float | None:
        """Return a cost of all requests as a cost per day; None where the time span is 0."""
        return cost_usd_nanos * DAY_S / self.span_s if self.span_s > 0.0 else None


class _Assessed(NamedTuple):
    """The needed parts of a record, small enough for a million of them in memory."""

    sides: SideOutcomes
    policy_hash: str
    has_features: bool
    ended_unix_s: float
    has_usage: bool
    is_of_edge: bool
    lacks_labels: bool
    paid_usd_nanos: int
    budget: float

    @property
    def may_go(self) -> bool:
        return self.sides.above.is_cloud or self.sides.below.is_cloud


def gather(records: Iterable[DecisionRecord], policy: Policy, threshold: Threshold) -> Traffic:
    """Decide every recorded request twice, with a threshold below all scores and one above all scores."""
    above, below = pinned(policy, threshold, ALL_ABOVE), pinned(policy, threshold, ALL_BELOW)
    has_labels = reads_labels(policy)
    explained = embedded = cached = 0
    assessed: list[_Assessed] = []
    rescored = set[str]()
    for record in records:
        if record.method == "Explain":
            explained += 1
            continue
        if record.routing_input.signals.is_embedding:
            embedded += 1
            continue
        if record.is_cached:
            cached += 1
            continue
        one = _assess(record, above, below, has_labels=has_labels)
        if one.has_features and one.sides.complexity != record.routing_input.complexity:
            rescored.add(record.policy_hash)
        assessed.append(one)
    # Where the threshold decides nothing, the scale of the score does not matter.
    usable = [
        one for one in assessed if one.has_features or one.policy_hash not in rescored or not one.sides.swings
    ]
    ends = [one.ended_unix_s for one in usable]
    return Traffic(
        requests=tuple(one.sides for one in usable),
        span_s=max(ends, default=0.0) - min(ends, default=0.0),
        explained=explained,
        embedded=embedded,
        cached=cached,
        scored_otherwise=len(assessed) - len(usable),
        of_other_policies=sum(one.policy_hash != policy.hash for one in usable),
        without_labels=sum(one.lacks_labels for one in usable),
        without_usage=sum(one.may_go and not one.has_usage for one in usable),
        answered_at_edge=sum(one.may_go and one.has_usage and one.is_of_edge for one in usable),
        paid_usd_nanos=sum(one.paid_usd_nanos for one in usable),
        fullest_budget=max((one.budget for one in usable), default=0.0),
    )


def _assess(record: DecisionRecord, above: Policy, below: Policy, *, has_labels: bool) -> _Assessed:
    return _Assessed(
        sides=side_outcomes(record, above, below),
        policy_hash=record.policy_hash,
        has_features=bool(record.routing_input.features),
        ended_unix_s=record.ended_unix_s,
        has_usage=record.usage is not None and record.route is not Route.CANNED,
        is_of_edge=record.route is Route.LOCAL,
        lacks_labels=has_labels and record.labels_left_out > 0,
        paid_usd_nanos=record.cost_usd_nanos,
        budget=record.state.budget,
    )
