"""Proposes conditions of rules from rated answers: which signals tell where the cloud pays."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from gateway.cli.exits import CommandFailed, reading
from gateway.cli.terminal import names_and_values, show, table
from gateway.ledger.money import NANOS_PER_USD
from gateway.offline.condition_search import Proposal, TooFewRated, search
from gateway.offline.effort_search import TOLERATED, EffortProposal, effort_proposal
from gateway.offline.rated_answers import RatedAnswer, gains_at_cloud, rated_answers, usd_nanos_at_cloud
from gateway.offline.recorded_outcomes import Rated
from gateway.policy.model import Policy
from gateway.records.reading import read_lines


def calibrate_signals(policy: Policy, records: Path, *, as_json: bool) -> None:
    """Print the conditions that pay, and whether effort may be low; raises CommandFailed for too few."""
    with reading(records):
        rated = rated_answers(lambda: read_lines(records))
    answers = rated.joined
    gains = gains_at_cloud(answers)
    try:
        found = search([each.values() for each in answers], gains)
    except TooFewRated as error:
        raise CommandFailed(
            f"{records}: {error}; {rated.requests} requests were answered, {rated.feedback} feedback given."
            " Rate more of them: gateway feedback, or SubmitFeedback"
        ) from None
    effort = _effort(answers)
    if as_json:
        print(json.dumps(_fields(rated, gains, found, effort, _usd_per_1000(answers, policy)), indent=2))
        return
    _print(rated, gains, found, _usd_per_1000(answers, policy))
    print(_told(effort))


def _effort(answers: Sequence[RatedAnswer]) -> EffortProposal | str:
    """Return the proposal, or why there is none."""
    try:
        return effort_proposal(answers)
    except TooFewRated as error:
        return str(error)


def _usd_per_1000(answers: Sequence[RatedAnswer], policy: Policy) -> float | None:
    """Return what 1,000 such requests cost at the first model in the cloud; None: unknown."""
    known = [cost for each in answers if (cost := usd_nanos_at_cloud(each, policy)) is not None]
    return 1000 * sum(known) / len(known) / NANOS_PER_USD if known else None


def _print(
    rated: Rated[RatedAnswer], gains: Sequence[float], found: Sequence[Proposal], usd: float | None
) -> None:
    edge = sum(each.is_edge for each in rated.joined)
    rows = [
        ("rated", f"{len(rated.joined)} of {rated.requests} answers, {edge} of them at the edge"),
        ("cloud gains", f"{sum(gains) / len(gains):+.3f} on average, by the ratings of both sides"),
        ("cloud costs", "unknown" if usd is None else f"{usd:.4f} USD for 1,000 of them, by their tokens"),
    ]
    lines = [
        (
            each.when, f"{each.holds:.0%}", f"{each.gain:+.3f}", f"{each.gain_elsewhere:+.3f}",
            f"{each.low:+.3f} to {each.high:+.3f}", "pays" if each.pays else "not sure",
        )
        for each in found
    ]  # fmt: skip
    heads = ("when", "holds", "gain", "else", "difference", "")
    show(names_and_values(rows), table(heads, lines), stream=sys.stdout)
    for line in _proposed(found):
        print(line)


def _proposed(found: Sequence[Proposal]) -> Iterator[str]:
    """Yield what to write into the policy."""
    best = next((each for each in found if each.pays), None)
    if best is None:
        yield "No condition surely pays: where one holds, the cloud gains no more than elsewhere."
        return
    yield "A rule in front of the last one, with the models of your policy, for the surest of them:"
    yield f"  - {{name: pays, when: '{best.when}', route: [cloud, edge]}}"


def _told(effort: EffortProposal | str) -> str:
    if isinstance(effort, str):
        return f"Effort: {effort}."
    figures = (
        f"rated {effort.low_score:.3f} with little reasoning, {effort.usual_score:.3f} with more (difference"
        f" {effort.low_end:+.3f} to {effort.high_end:+.3f}); {effort.low_tokens:.0f} reasoning tokens instead"
        f" of {effort.usual_tokens:.0f}"
    )
    where = "everywhere" if effort.below > 1.0 else f"complexity < {effort.below:g}"
    if not effort.pays:
        return f"Effort: keep it; {where}: {figures}. At most {TOLERATED} less is taken for no worse."
    return f"Effort: {where}: set: {{effort: low}} pays: {figures}."


def _fields(
    rated: Rated[RatedAnswer],
    gains: Sequence[float],
    found: Sequence[Proposal],
    effort: EffortProposal | str,
    usd: float | None,
) -> dict[str, object]:
    told = {"too_few": effort} if isinstance(effort, str) else {**asdict(effort), "pays": effort.pays}
    return {
        "requests": rated.requests,
        "rated": len(rated.joined),
        "mean_gain": sum(gains) / len(gains),
        "cloud_usd_per_1000": usd,
        "conditions": [{**asdict(each), "pays": each.pays} for each in found],
        "effort": told,
    }
