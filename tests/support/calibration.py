"""Records of calls with given scores, and `gateway calibrate` on them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.clock import SystemClock
from gateway.domain.privacy import PrivacyClass
from gateway.policy.loading.load import parse_policy
from gateway.records.writer import Records
from gateway.telemetry.report import CallReport
from tests.support.days_of_traffic import MONDAY_UNIX_S
from tests.support.records_made import POLICY, ended

Said = dict[str, object]


def recorded(
    folder: Path,
    scores: list[float],
    *,
    change: Callable[[int, CallReport], CallReport] = lambda _, report: report,
    hours: float = 48.0,
    policy: str = POLICY,
    privacy_class: PrivacyClass = PrivacyClass.PUBLIC,
) -> Path:
    """Record a call of each score, in even steps of time; every answer has 11 and 7 tokens."""
    path = folder / "decisions.jsonl"
    records = Records(path, clock=SystemClock())
    loaded = parse_policy(policy, name="p")
    for at, score in enumerate(scores):
        report = ended(loaded, request_id=f"r{at}", complexity=score, privacy_class=privacy_class)
        ended_unix_s = MONDAY_UNIX_S + hours * 3600 * at / max(1, len(scores) - 1)
        records.note(change(at, replace(report, ended_unix_s=ended_unix_s)))
    records.close()
    return path


def calibrated(capsys: pytest.CaptureFixture[str], policy: Path, records: Path, *options: str) -> Said:
    """Run the command and return what it prints for scripts."""
    capsys.readouterr()
    flags = ["--policy", str(policy), "--input", str(records), *options, "--json"]
    assert run(["calibrate", *flags]) == 0
    said: Said = json.loads(capsys.readouterr().out)
    return said
