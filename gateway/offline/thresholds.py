"""Computes cloud share and cost of every threshold of a rule for recorded traffic. Pure.

A rule compares the complexity of a request with one number. So each request has two possible outcomes, one
above that number and one below it. With the requests sorted by score, running sums give the exact result of
a threshold in each gap between two scores.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from gateway.complexity.complexity import complexity_of
from gateway.domain.answer import Route
from gateway.offline.replay import cost_of_first, input_under
from gateway.policy.model import Policy
from gateway.records.decoding import DecisionRecord
from gateway.routing import Decider


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOutcome:
    """Outcome of a request on one side of the threshold."""

    is_cloud: bool
    """Whether the first model of the chain is in the cloud."""
    cost_usd_nanos: int
    """Cost at that model for the tokens of the recorded answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOutcomes:
    """A request's score, and its outcomes above and below the threshold."""

    complexity: float
    above: SideOutcome
    below: SideOutcome

    @property
    def swings(self) -> bool:
        """Whether the threshold changes the outcome."""
        return self.above != self.below


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdOption:
    """A threshold between two neighbouring scores, and its result for all requests."""

    low: float | None
    """The highest score below the threshold; None: there is none."""
    high: float | None
    cloud: int
    cost_usd_nanos: int

    def number(self, operator: str) -> str:
        """Return the threshold: the middle between both scores, with as few digits as possible.

        Without a score on one side it is a number that no score reaches.
        """
        if self.low is None:
            return "0.0" if operator in (">=", "<") else "-0.1"
        if self.high is None:
            return "1.1"
        for digits in range(1, 18):
            rounded = round(Decimal(self.low + (self.high - self.low) / 2), digits)
            if self.low < float(rounded) < self.high:
                return format(rounded, "f")
        # No number lies between the scores: the operator decides which of them is the threshold.
        return format(Decimal(repr(self.high if operator in (">=", "<") else self.low)), "f")


def side_outcomes(recorded: DecisionRecord, above: Policy, below: Policy) -> SideOutcomes:
    """Return the outcomes of a recorded request under two policies that differ in the threshold."""
    routing_input = input_under(recorded.routing_input, above, above)
    if routing_input.features:
        complexity = complexity_of(routing_input.features, above.scorer, routing_input.signals)
        routing_input = replace(routing_input, complexity=complexity)
    sides = []
    for policy in (above, below):
        decision = Decider(policy).decide(routing_input, recorded.state)
        is_cloud = bool(decision.chain) and policy.models[decision.chain[0]].route is Route.CLOUD
        sides.append(SideOutcome(is_cloud=is_cloud, cost_usd_nanos=cost_of_first(recorded, decision, policy)))
    return SideOutcomes(complexity=routing_input.complexity, above=sides[0], below=sides[1])


def threshold_options(requests: Iterable[SideOutcomes]) -> list[ThresholdOption]:
    """Return every option, from the lowest threshold to the highest; a single one where nothing swings."""
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
    """Return the option whose number of requests in the cloud is nearest; of two, the cheaper one."""
    return min(found, key=lambda option: (abs(option.cloud - cloud), option.cost_usd_nanos))


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The chosen option, and the target that decided it."""

    option: ThresholdOption
    bound_by: Literal["share", "spend"]


def pick(
    found: Sequence[ThresholdOption], *, cloud: float | None, most_usd_nanos: float | None
) -> Picked | None:
    """Return the option for a number of requests in the cloud, a spend, or the smaller of both.

    The number is approximated, the spend is not exceeded; None: the cheapest option exceeds it.
    """
    wanted = None if cloud is None else nearest(found, cloud)
    if wanted is not None and (most_usd_nanos is None or wanted.cost_usd_nanos <= most_usd_nanos):
        return Picked(option=wanted, bound_by="share")
    affordable = [
        option for option in found if most_usd_nanos is None or option.cost_usd_nanos <= most_usd_nanos
    ]
    if wanted is not None:
        affordable = [option for option in affordable if option.cloud <= wanted.cloud]
    if not affordable:
        return None
    most = max(affordable, key=lambda option: (option.cloud, -option.cost_usd_nanos))
    return Picked(option=most, bound_by="spend")
