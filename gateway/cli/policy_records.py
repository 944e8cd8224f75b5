"""`gateway policy diff` and `replay`: repeat recorded decisions under policies."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import FAILED, WOULD_LEAK, reading
from gateway.cli.options import Json
from gateway.cli.terminal import names_and_values, show, table
from gateway.domain.decision import Decision
from gateway.domain.privacy import PrivacyClass
from gateway.ledger.money import NANOS_PER_USD
from gateway.offline.replay import Difference, difference, not_reproduced, reads_labels
from gateway.policy.diff.loosening import loosened
from gateway.policy.loading.load import load_policy
from gateway.records.decoding import DecisionRecord
from gateway.records.reading import read_decisions

On = Annotated[Path, typer.Option("--on", metavar="FILE", help="The --decisions file of gateway serve.")]
MOST_SHOWN = 20
"""The most lines printed of one kind; --json prints all."""


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The policy that runs.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The policy that is to run.")],
    *,
    on: On,
    as_json: Json = False,
) -> None:
    """Show which recorded requests another policy would route differently, and at what cost.

    Both policies decide each request from its record: the class from recorded findings, the cost from the
    tokens of the recorded answer. Changed patterns, allow and deny have no effect, since no text is kept.

    Exit status: 0; 3 if a request of class confidential or above would now reach the cloud; 2 for a file that
    is refused.

    Example: gateway policy diff policy.yaml new.yaml --on decisions.jsonl
    """
    before, after = load_policy(old), load_policy(new)
    found = [(location, one, difference(one, before, after)) for location, one in _read(on)]
    elsewhere = [each for each in found if each[2].goes_elsewhere]
    private = [
        each
        for each in found
        if each[2].is_new_to_cloud and each[2].privacy_class >= PrivacyClass.CONFIDENTIAL
    ]
    looser = [after.source.at(path, message) for path, message in loosened(before, after)]
    if as_json:
        summary = {"old": before.hash, "new": after.hash, "requests": len(found), "looser": looser}
        print(json.dumps(summary | _as_json(found, elsewhere, private), indent=2))
    else:
        _show_diff(found, elsewhere, looser)
        _complain(private)
    if private:
        raise typer.Exit(WOULD_LEAK)


_Found = list[tuple[str, DecisionRecord, Difference]]


def _as_json(found: _Found, elsewhere: _Found, private: _Found) -> dict[str, object]:
    return {
        "cost_before_usd": _usd(sum(one.cost_before_usd_nanos for _, _, one in found)),
        "cost_after_usd": _usd(sum(one.cost_after_usd_nanos for _, _, one in found)),
        "uncertain": sum(one.is_uncertain for _, _, one in found),
        "private_to_cloud": [location for location, _, _ in private],
        "elsewhere": [
            {
                "place": location,
                "request_id": recorded.request_id,
                "class": one.privacy_class.name.lower(),
                "rule": [one.before.rule, one.after.rule],
                "chain": [one.before.chain, one.after.chain],
                "cost_usd": [_usd(one.cost_before_usd_nanos), _usd(one.cost_after_usd_nanos)],
                "is_new_to_cloud": one.is_new_to_cloud,
            }
            for location, recorded, one in elsewhere
        ],
    }


def _show_diff(found: _Found, elsewhere: _Found, looser: list[str]) -> None:
    before = _usd(sum(one.cost_before_usd_nanos for _, _, one in found))
    after = _usd(sum(one.cost_after_usd_nanos for _, _, one in found))
    uncertain = sum(one.is_uncertain for _, _, one in found)
    rows = [
        ("requests", str(len(found))),
        ("go elsewhere", str(len(elsewhere))),
        ("cost", f"{before:.6f} USD, then {after:.6f} USD"),
    ]
    if uncertain:
        rows.append(("uncertain", f"{uncertain}: a rule reads a label that was not recorded"))
    parts = [names_and_values(rows)]
    if elsewhere:
        ways = Counter((_way(one.before), _way(one.after)) for _, _, one in elsewhere)
        lines = [(str(count), was, now) for (was, now), count in ways.most_common(MOST_SHOWN)]
        parts.append(table(("requests", "before", "after"), lines))
    show(*parts, stream=sys.stdout)
    for line in looser:
        print(f"looser: {line}")


def _way(decision: Decision) -> str:
    return f"{decision.rule}: {', '.join(decision.chain) or 'none'}"


def _complain(private: _Found) -> None:
    for location, _, one in private[:MOST_SHOWN]:
        class_ = one.privacy_class.name.lower()
        verb = "may now reach the cloud" if one.is_uncertain else "would now reach the cloud"
        print(f"{location}: {class_}: {verb}: {', '.join(one.after.chain)}", file=sys.stderr)
    if len(private) > MOST_SHOWN:
        print(f"and {len(private) - MOST_SHOWN} more", file=sys.stderr)


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy that decided.")],
    *,
    on: On,
    as_json: Json = False,
) -> None:
    """Repeat recorded decisions, and compare them exactly: class, score, rule, chain and refusals.

    Records of other policies are counted and skipped; so are those with a label that a rule may read and that
    was not recorded.

    Exit status: 0 all are the same, 1 with a line for each difference, or if no record is of this policy, 2
    for a file that is refused.

    Example: gateway policy replay policy.yaml --on decisions.jsonl
    """
    policy = load_policy(file)
    same, others, without_labels, different = 0, 0, 0, list[str]()
    for location, recorded in _read(on):
        if recorded.policy_hash != policy.hash:
            others += 1
        elif recorded.labels_left_out and reads_labels(policy):
            without_labels += 1
        elif wrong := not_reproduced(recorded, policy):
            different.append(f"{location}: {'; '.join(wrong)}")
        else:
            same += 1
    if as_json:
        report = {
            "policy_hash": policy.hash,
            "same": same,
            "of_other_policies": others,
            "labels_unkept": without_labels,
        }
        print(json.dumps(report | {"different": different}, indent=2))
    else:
        for line in different:
            print(line, file=sys.stderr)
        counts = f"{same} the same, {len(different)} different, {others} of other policies"
        print(f"{counts}, {without_labels} without their labels")
    if different or not same:
        raise typer.Exit(FAILED)


def _read(path: Path) -> Iterator[tuple[str, DecisionRecord]]:
    with reading(path):
        yield from read_decisions(path)


def _usd(nanos: int) -> float:
    return nanos / NANOS_PER_USD
