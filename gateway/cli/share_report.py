"""Output of `gateway calibrate --input`: tables, notes and JSON fields. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from gateway.cli.terminal import names_and_values, table
from gateway.ledger.money import NANOS_PER_USD
from gateway.offline.thresholds import Picked, ThresholdOption, nearest
from gateway.offline.traffic import DAY_S, Traffic
from gateway.policy.loading.messages import counted
from gateway.policy.loading.threshold import Threshold
from gateway.policy.model import Policy

_STEPS = 20
"""Steps of the curve: every 5 % of all requests."""
_NEAR = 0.005
"""The smallest difference from the target share that gets a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareResult:
    """The chosen threshold, and the options and traffic that it was chosen from."""

    policy: Policy
    threshold: Threshold
    traffic: Traffic
    options: Sequence[ThresholdOption]
    picked: Picked
    number: str
    wanted_share: float | None
    max_usd_per_day: float | None

    def share(self, cloud: int) -> float:
        """Return a number of requests as a share of all."""
        return cloud / len(self.traffic.requests)

    def usd_per_day(self, cost_usd_nanos: int) -> float | None:
        """Return a cost of all requests as US dollars a day; None where the time span is 0."""
        nanos = self.traffic.a_day(cost_usd_nanos)
        return None if nanos is None else nanos / NANOS_PER_USD

    @property
    def give_or_take(self) -> float:
        """Half width of the 95 % interval of the share on a similar day (difference of two samples)."""
        days, total = max(1.0, self.traffic.span_s / DAY_S), len(self.traffic.requests)
        share = self.share(self.picked.option.cloud)
        return 1.96 * math.sqrt(share * (1.0 - share) * (1.0 / total + days / total))

    @property
    def extremes(self) -> tuple[int, int]:
        """The smallest and the largest number of requests in the cloud over all thresholds."""
        return min(option.cloud for option in self.options), max(option.cloud for option in self.options)


def curve(result: ShareResult) -> list[ThresholdOption]:
    """Return the options nearest to 0, 5, 10 ... 100 % of all requests, each once."""
    total = len(result.traffic.requests)
    options: list[ThresholdOption] = []
    for step in range(_STEPS + 1):
        option = nearest(result.options, total * step / _STEPS)
        if option not in options:
            options.append(option)
    return options


def tables_of(result: ShareResult) -> list[Table]:
    """Return the tables for people."""
    traffic, comparison = result.traffic, result.threshold.comparison
    days, total = traffic.span_s / DAY_S, len(traffic.requests)
    cloud, cost = traffic.under(result.threshold)
    picked = result.picked.option
    rows = [
        ("requests", f"{total} in {days:.2f} days"),
        ("rule", f"{result.threshold.rule} ({result.policy.source.at(result.threshold.path, '')[:-2]})"),
        (
            "decided by it",
            f"{traffic.swing}; {traffic.always_cloud} always in the cloud, {traffic.never_cloud} never",
        ),
        ("as it is", f"{comparison.value:g}: {_shown(result, cloud, cost)}"),
        ("threshold", f"{result.number}: {_shown(result, picked.cloud, picked.cost_usd_nanos)}"),
        ("bound by", _bound(result)),
        ("next day", f"the same, give or take {100 * result.give_or_take:.1f} points by chance alone"),
    ]
    lines = [
        (
            f"{result.share(option.cloud):.1%}",
            option.number(comparison.operator),
            _usd(result, option.cost_usd_nanos),
        )
        for option in curve(result)
    ]
    return [names_and_values(rows), table(("cloud share", "threshold", "USD a day"), lines)]


def _shown(result: ShareResult, cloud: int, cost_usd_nanos: int) -> str:
    return f"{result.share(cloud):.1%} to the cloud, {_usd(result, cost_usd_nanos)} USD a day"


def _usd(result: ShareResult, cost_usd_nanos: int) -> str:
    usd = result.usd_per_day(cost_usd_nanos)
    return "unknown" if usd is None else f"{usd:.6f}"


def _bound(result: ShareResult) -> str:
    if result.picked.bound_by == "spend":
        return f"the spend, {result.max_usd_per_day:g} USD a day"
    return f"the share, {result.wanted_share:.1%}"


def notes_of(result: ShareResult) -> Iterator[str]:
    """Yield a line for each limit of the accuracy of the figures."""
    traffic = result.traffic
    if (wanted := result.wanted_share) is not None and result.picked.bound_by == "share":
        yield from _missed(result, wanted)
    if 0.0 < traffic.span_s < DAY_S:
        yield f"the records span {traffic.span_s / 3600:.1f} hours; a day's cost is extrapolated from them"
    if not traffic.span_s:
        yield "all records have the same time; the cost of a day is unknown"
    if traffic.answered_at_edge:
        yield (
            f"{counted(traffic.answered_at_edge, 'request')} that may go to the cloud, answered at the edge:"
            " the cost is estimated from the tokens of the local answer"
        )
    if traffic.uses_up(result.picked.option.cost_usd_nanos):
        yield (
            "this costs more than the recorded answers, and would use up a budget (the fullest was at"
            f" {traffic.fullest_budget:.0%}): the actual cloud share may be smaller"
        )
    for count, said in (
        (traffic.without_usage, "without counted tokens, whose cost counts as 0"),
        (traffic.of_other_policies, "of another policy, decided again by this one"),
        (traffic.without_labels, "with labels that were not recorded, though a rule reads labels"),
        (traffic.scored_otherwise, "left out: scored by another scorer, and recorded without features"),
        (traffic.explained, "left out: calls of Explain, which call no model"),
        (traffic.cached, "left out: requests that the cache answered"),
        (traffic.embedded, "left out: calls of Embed, whose vectors no threshold decides"),
    ):
        if count:
            yield f"{counted(count, 'request')} {said}"


def _missed(result: ShareResult, wanted: float) -> Iterator[str]:
    least, most = (result.share(cloud) for cloud in result.extremes)
    option = result.picked.option
    if not least <= wanted <= most:
        end = f"fewer than {least:.1%}" if wanted < least else f"more than {most:.1%}"
        yield f"no threshold of this rule sends {end} to the cloud: it does not decide the others"
    elif abs(result.share(option.cloud) - wanted) > _NEAR:
        at = result.options.index(option)
        sides = [
            result.share(each.cloud) for each in result.options[max(0, at - 1) : at + 2] if each is not option
        ]
        shares = " or ".join(f"{side:.1%}" for side in sides)
        yield f"many requests have the same score, or there are few requests: the next shares are {shares}"


def fields_of(result: ShareResult) -> dict[str, object]:
    """Return the JSON fields; money in US dollars, shares from 0 to 1."""
    traffic, picked = result.traffic, result.picked.option
    operator = result.threshold.comparison.operator
    cloud, cost = traffic.under(result.threshold)
    least, most = result.extremes
    return {
        "policy_hash": result.policy.hash,
        "rule": result.threshold.rule,
        "requests": len(traffic.requests),
        "decided_by_threshold": traffic.swing,
        "always_cloud": traffic.always_cloud,
        "never_cloud": traffic.never_cloud,
        "days": traffic.span_s / DAY_S,
        "threshold_before": result.threshold.comparison.value,
        "cloud_share_before": result.share(cloud),
        "usd_per_day_before": result.usd_per_day(cost),
        "threshold": float(result.number),
        "cloud_share": result.share(picked.cloud),
        "usd_per_day": result.usd_per_day(picked.cost_usd_nanos),
        "give_or_take": result.give_or_take,
        "bound_by": result.picked.bound_by,
        "least_cloud_share": result.share(least),
        "most_cloud_share": result.share(most),
        "curve": [
            {
                "cloud_share": result.share(option.cloud),
                "threshold": float(option.number(operator)),
                "usd_per_day": result.usd_per_day(option.cost_usd_nanos),
            }
            for option in curve(result)
        ],
        "of_other_policies": traffic.of_other_policies,
        "answered_at_edge": traffic.answered_at_edge,
        "without_usage": traffic.without_usage,
        "without_labels": traffic.without_labels,
        "scored_otherwise": traffic.scored_otherwise,
        "explained": traffic.explained,
        "embedded": traffic.embedded,
        "cached": traffic.cached,
        "uses_up_a_budget": traffic.uses_up(picked.cost_usd_nanos),
        "notes": list(notes_of(result)),
    }
