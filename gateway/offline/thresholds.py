"""From recorded traffic to the thresholds that part it: what goes to the cloud, and for how much. Pure.

A rule compares the complexity of a request with one number. So each request has two fates, one on either side
of that number, and only its own score says which one it gets. Sorted by score, the requests are parted at
every gap between two scores, and running sums say exactly what each of these cuts would have meant.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from gateway.complexity.complexity import complexity_of
from gateway.offline.replay import cost_of_first, input_under
from gateway.policy.model import Policy
from gateway.records.codec import DecisionRecord
from gateway.routing import Decider
from gateway.types import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOutcome:
    """What a request gets on one side of the threshold."""

    is_cloud: bool
    """Whether a model in the cloud is asked first."""
    cost_usd_nanos: int
    """Of that first model, by the tokens that the answer had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOutcomes:
    """A request's score, and what becomes of it at or above the threshold, and below."""

    complexity: float
    above: SideOutcome
    below: SideOutcome

    @property
    def swings(self) -> bool:
        """Whether the threshold decides anything for it."""
        return self.above != self.below


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdOption:
    """A place between two neighbouring scores, and what follows from it for all requests."""

    low: float | None
    """The highest score below it; None: there is none."""
    high: float | None
    cloud: int
    cost_usd_nanos: int

    def number(self, operator: str) -> str:
        """Return the threshold: the middle, in as few digits as keep it between both scores.

        With no score on a side it is one that no score can reach.
        """
        if self.low is None:
            return "0.0" if operator in (">=", "<") else "-0.1"
        if self.high is None:
            return "1.1"
        for digits in range(1, 18):
            rounded = round(Decimal(self.low + (self.high - self.low) / 2), digits)
            if self.low < float(rounded) < self.high:
                return format(rounded, "f")
        # Two scores without a number between them: the operator says whose side the number itself is on.
        return format(Decimal(repr(self.high if operator in (">=", "<") else self.low)), "f")


def fates(recorded: DecisionRecord, above: Policy, below: Policy) -> SideOutcomes:
    """Return what both policies, which differ in one number, make of a recorded request."""
    routing_input = input_under(recorded.routing_input, above, above)
    if routing_input.features:
        complexity = complexity_of(routing_input.features, above.scorer)
        routing_input = replace(routing_input, complexity=complexity)
    sides = []
    for policy in (above, below):
        decision = Decider(policy).decide(routing_input, recorded.state)
        is_cloud = bool(decision.chain) and policy.models[decision.chain[0]].route is Route.CLOUD
        sides.append(SideOutcome(is_cloud=is_cloud, cost_usd_nanos=cost_of_first(recorded, decision, policy)))
    return SideOutcomes(complexity=routing_input.complexity, above=sides[0], below=sides[1])


def cuts(requests: Iterable[SideOutcomes]) -> list[ThresholdOption]:
    """Return every cut, from the lowest threshold to the highest; one alone where nothing swings."""
    ordered = sorted(requests, key=lambda each: each.complexity)
    cloud = sum(each.above.is_cloud for each in ordered)
    cost = sum(each.above.cost_usd_nanos for each in ordered)
    swinging = [each for each in ordered if each.swings]
    found: list[ThresholdOption] = []
    low: float | None = None
    for each in swinging:
        if low is None or each.complexity > low:
            found.append(ThresholdOption(low=low, high=each.complexity, cloud=cloud, cost_usd_nanos=cost))
        cloud += each.below.is_cloud - each.above.is_cloud
        cost += each.below.cost_usd_nanos - each.above.cost_usd_nanos
        low = each.complexity
    return [*found, ThresholdOption(low=low, high=None, cloud=cloud, cost_usd_nanos=cost)]


def nearest(found: Sequence[ThresholdOption], cloud: float) -> ThresholdOption:
    """Return the cut that sends a number of requests to the cloud, or comes nearest; of two the cheaper."""
    return min(found, key=lambda cut: (abs(cut.cloud - cloud), cut.cost_usd_nanos))


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A cut, and which target decided it."""

    cut: ThresholdOption
    bound_by: Literal["share", "spend"]


def pick(
    found: Sequence[ThresholdOption], *, cloud: float | None, most_usd_nanos: float | None
) -> Picked | None:
    """Return the cut for a number of requests in the cloud, for a spend, or for the smaller of both.

    A number is met as nearly as it can be, a spend is not exceeded; None: the cheapest cut costs more.
    """
    wanted = None if cloud is None else nearest(found, cloud)
    if wanted is not None and (most_usd_nanos is None or wanted.cost_usd_nanos <= most_usd_nanos):
        return Picked(cut=wanted, bound_by="share")
    affordable = [cut for cut in found if most_usd_nanos is None or cut.cost_usd_nanos <= most_usd_nanos]
    if wanted is not None:
        affordable = [cut for cut in affordable if cut.cloud <= wanted.cloud]
    if not affordable:
        return None
    most = max(affordable, key=lambda cut: (cut.cloud, -cut.cost_usd_nanos))
    return Picked(cut=most, bound_by="spend")
