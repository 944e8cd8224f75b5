"""Calibrates the cloud share: finds the threshold of a rule from recorded traffic."""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from gateway.cli.exits import MISUSED, CommandFailed, reading
from gateway.cli.share_report import ShareResult, fields_of, notes_of, tables_of
from gateway.cli.terminal import console, show
from gateway.ledger.money import NANOS_PER_USD
from gateway.offline.rewriting import accepted, is_unchanged, replace_file
from gateway.offline.thresholds import Picked, ThresholdOption, pick, threshold_options
from gateway.offline.traffic import Traffic, gather
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.policy.loading.threshold import NoThreshold, Threshold, rewritten, threshold_of
from gateway.policy.model import Policy
from gateway.records.decoding import DecisionRecord
from gateway.records.reading import read_decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The targets of the command line; at least one of the first two is set."""

    cloud_share: float | None
    max_usd_per_day: float | None
    rule: str | None
    """The rule of the threshold; None: the only rule that has one."""


def calibrate_share(
    policy_path: Path | None, records: Path, targets: Targets, *, writes: bool, as_json: bool
) -> None:
    """Print the threshold that meets the targets; with `writes`, write it into the policy."""
    if writes and policy_path is None:
        raise CommandFailed(
            "--write needs --policy FILE: the packaged policy is never changed", status=MISUSED
        )
    for value in (targets.cloud_share, targets.max_usd_per_day):
        if value is not None and not math.isfinite(value):
            raise CommandFailed("a target must be a finite number", status=MISUSED)
    path = policy_path or default_policy_path()
    policy = load_policy(path)
    try:
        threshold = threshold_of(policy, targets.rule)
    except NoThreshold as error:
        raise CommandFailed(str(error), status=MISUSED) from None
    traffic = gather(_read(records), policy, threshold)
    found = _options(traffic, records, threshold)
    picked = _pick(found, traffic, targets)
    number = picked.option.number(threshold.comparison.operator)
    result = ShareResult(
        policy=policy, threshold=threshold, traffic=traffic, options=found, picked=picked, number=number,
        wanted_share=targets.cloud_share, max_usd_per_day=targets.max_usd_per_day,
    )  # fmt: skip
    written = _write(path, policy, threshold, number) if writes else None
    _print(result, written, path=path, as_json=as_json)


def _read(path: Path) -> Iterator[DecisionRecord]:
    lines = track(
        read_decisions(path),
        description="deciding",
        console=console(sys.stderr),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with reading(path):
        for _, recorded in lines:
            yield recorded


def _options(traffic: Traffic, records: Path, threshold: Threshold) -> list[ThresholdOption]:
    total = len(traffic.requests)
    if not total:
        left_out = traffic.explained + traffic.embedded + traffic.cached + traffic.scored_otherwise
        kinds = "of Explain or Embed, from the cache, or of another scorer and without features"
        note = f"; {left_out} are {kinds}" if left_out else ""
        raise CommandFailed(f"{records}: has no usable request{note}")
    if not traffic.swing:
        raise CommandFailed(
            f"{records}: rule {threshold.rule} decides none of {total} requests by their complexity:"
            f" {traffic.always_cloud} go to the cloud at any threshold, {traffic.never_cloud} never"
        )
    return threshold_options(traffic.requests)


def _pick(found: list[ThresholdOption], traffic: Traffic, targets: Targets) -> Picked:
    cloud = None if targets.cloud_share is None else targets.cloud_share * len(traffic.requests)
    most = None
    if targets.max_usd_per_day is not None:
        if traffic.span_s <= 0.0:
            raise CommandFailed(
                "--max-usd-per-day: all records have the same time, so the spend of a day is unknown"
            )
        most = targets.max_usd_per_day * NANOS_PER_USD * traffic.span_s / 86_400.0
    picked = pick(found, cloud=cloud, most_usd_nanos=most)
    if picked is None:
        least = traffic.a_day(min(option.cost_usd_nanos for option in found)) or 0.0
        raise CommandFailed(
            f"--max-usd-per-day {targets.max_usd_per_day:g}: every threshold costs more; the cheapest one"
            f" costs {least / NANOS_PER_USD:.6f} USD a day"
        )
    return picked


def _write(path: Path, policy: Policy, threshold: Threshold, number: str) -> Policy:
    """Write the number into the policy file if nothing else changes; return the new policy."""
    with reading(path):
        old = path.read_bytes()
    if not is_unchanged(old, policy, path):
        raise CommandFailed(f"{path}: has changed meanwhile; nothing was written, run the command again")
    try:
        new = rewritten(old.decode("utf-8"), threshold, number)
    except NoThreshold as error:
        raise CommandFailed(f"nothing was written: {error}") from None
    after = accepted(new, policy, path, threshold.path)
    if after.hash != policy.hash:
        replace_file(path, old, new.encode("utf-8"))
    return after


def _print(result: ShareResult, written: Policy | None, *, path: Path, as_json: bool) -> None:
    if as_json:
        fields: Mapping[str, object] = fields_of(result)
        print(json.dumps({**fields, "written_policy_hash": written.hash if written else None}, indent=2))
        return
    show(*tables_of(result), stream=sys.stdout)
    for note in notes_of(result):
        print(f"note: {note}")
    if written is None:
        print("Nothing was written; --write writes it into the policy.")
    else:
        print(f"Written to {path}; its hash is now {written.hash}.")
        print("To apply it to a running gateway: gateway reload --allow-loosening")
