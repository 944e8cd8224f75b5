"""What recorded requests say of a threshold, and how far they can be relied on. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.offline.replay import reads_labels
from gateway.offline.thresholds import SideOutcomes, fates
from gateway.policy.loading.threshold import ALL_ABOVE, ALL_BELOW, Threshold, pinned
from gateway.policy.model import Policy
from gateway.records.codec import DecisionRecord
from gateway.types import Route

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Recorded requests, each with its fate on either side of a threshold."""

    requests: tuple[SideOutcomes, ...]
    span_s: float
    """From the end of the first request to that of the last."""
    explained: int
    """Left out: calls of Explain, which no model answers."""
    scored_otherwise: int
    """Left out: of those that swing, scored by another scorer than the policy's and recorded without the
    features to do it again."""
    of_other_policies: int
    without_labels: int
    """A rule reads labels, and these had some that were not recorded."""
    without_usage: int
    """They may go to the cloud, and have no answer whose tokens could be counted: they cost nothing here."""
    answered_at_edge: int
    """They may go to the cloud, and their cost is that of the local answer's tokens."""
    paid_usd_nanos: int
    """What their answers did cost."""
    fullest_budget: float
    """The highest share of a budget that was spent or reserved when one of them was decided."""

    @property
    def always_cloud(self) -> int:
        """How many go to the cloud on either side."""
        return sum(each.above.is_cloud and each.below.is_cloud for each in self.requests)

    @property
    def never_cloud(self) -> int:
        """How many go to the cloud on neither side."""
        return sum(not (each.above.is_cloud or each.below.is_cloud) for each in self.requests)

    @property
    def swing(self) -> int:
        """How many the threshold decides."""
        return sum(each.swings for each in self.requests)

    def under(self, threshold: Threshold) -> tuple[int, int]:
        """Return how many go to the cloud, and for how much, by the threshold as it stands."""
        found = [each.above if threshold.is_above(each.complexity) else each.below for each in self.requests]
        return sum(each.is_cloud for each in found), sum(each.cost_usd_nanos for each in found)

    def uses_up(self, cost_usd_nanos: int) -> bool:
        """Say whether a budget would be used up if they cost so much: what it does then is not counted.

        Of budgets that nothing was spent of nobody knows.
        """
        grows = cost_usd_nanos > self.paid_usd_nanos and self.fullest_budget > 0.0
        return grows and self.fullest_budget * cost_usd_nanos >= self.paid_usd_nanos

    def a_day(self, cost_usd_nanos: float) -> float | None:
        """Return a cost of all these requests as that of a day; None where they ended at one moment."""
        return cost_usd_nanos * DAY_S / self.span_s if self.span_s > 0.0 else None


class _Judged(NamedTuple):
    """What is kept of a record: a million of them fit into memory."""

    fates: SideOutcomes
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
        return self.fates.above.is_cloud or self.fates.below.is_cloud


def gather(records: Iterable[DecisionRecord], policy: Policy, threshold: Threshold) -> Traffic:
    """Decide every recorded request again, with the threshold out of reach above and below."""
    above, below = pinned(policy, threshold, ALL_ABOVE), pinned(policy, threshold, ALL_BELOW)
    has_labels = reads_labels(policy)
    explained = 0
    judged: list[_Judged] = []
    rescored = set[str]()
    for record in records:
        if record.method == "Explain":
            explained += 1
            continue
        one = _judge(record, above, below, has_labels=has_labels)
        if one.has_features and one.fates.complexity != record.routing_input.complexity:
            rescored.add(record.policy_hash)
        judged.append(one)
    # Where the score decides nothing, it does not matter on which scale it is.
    kept = [
        one for one in judged if one.has_features or one.policy_hash not in rescored or not one.fates.swings
    ]
    ends = [one.ended_unix_s for one in kept]
    return Traffic(
        requests=tuple(one.fates for one in kept),
        span_s=max(ends, default=0.0) - min(ends, default=0.0),
        explained=explained,
        scored_otherwise=len(judged) - len(kept),
        of_other_policies=sum(one.policy_hash != policy.hash for one in kept),
        without_labels=sum(one.lacks_labels for one in kept),
        without_usage=sum(one.may_go and not one.has_usage for one in kept),
        answered_at_edge=sum(one.may_go and one.has_usage and one.is_of_edge for one in kept),
        paid_usd_nanos=sum(one.paid_usd_nanos for one in kept),
        fullest_budget=max((one.budget for one in kept), default=0.0),
    )


def _judge(record: DecisionRecord, above: Policy, below: Policy, *, has_labels: bool) -> _Judged:
    return _Judged(
        fates=fates(record, above, below),
        policy_hash=record.policy_hash,
        has_features=bool(record.routing_input.features),
        ended_unix_s=record.ended_unix_s,
        has_usage=record.usage is not None and record.route is not Route.CANNED,
        is_of_edge=record.route is Route.LOCAL,
        lacks_labels=has_labels and record.labels_left_out > 0,
        paid_usd_nanos=record.cost_usd_nanos,
        budget=record.state.budget,
    )
