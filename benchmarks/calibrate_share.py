"""Whether a calibrated share holds on the next day: simulated days, calibrated and decided.

On the first day of each pair the policy is as it is; `gateway calibrate --write` sets its threshold by the
records of that day; the second day, of other requests, is decided by what was written.

Budgets that are used up by the hour do so on both days alike. Budgets that the requests themselves use up
stop more of them under a lower threshold, which no record of the first day can know: the command says so.

python -m benchmarks.calibrate_share [--pairs N] [--json FILE]
python -m benchmarks.calibrate_share --show     # what the command prints for such a day
"""

import argparse
import contextlib
import io
import json
import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.cli.app import run
from gateway.policy.loading.load import load_policy
from tests.support.days_of_traffic import POLICY, Sum, lived

SHARES = (0.1, 0.2, 0.5)
DAYS = ((1_000, "by the hour", 20), (5_000, "by the hour", 20), (5_000, "by themselves", 3))
"""Requests a day, how the budgets are used up, and how many pairs of days at most."""
WITHIN = 0.03
"""How far the next day may be off, of all requests."""


_HEAD = (
    f"{'budgets':<14}{'requests':>9}{'pair':>6}{'wanted':>8}{'threshold':>11}{'expected':>10}{'next day':>10}"
    f"{'off':>7}{'USD expected':>14}{'USD paid':>10}  warned"
)


@dataclass(frozen=True)
class Row:
    """One calibration, and the day after it."""

    budgets: str
    requests: int
    pair: int
    wanted: float
    threshold: float
    expected: float
    reached: float
    expected_usd: float
    paid_usd: float
    warned: bool
    """Whether the command said that a budget would be used up."""

    @property
    def off(self) -> float:
        """How far the next day is from what was wanted, as a share of all requests."""
        return self.reached - self.wanted

    def line(self) -> str:
        """Return the row of the table."""
        return (
            f"{self.budgets:<14}{self.requests:>9}{self.pair:>6}{self.wanted:>8.0%}{self.threshold:>11g}"
            f"{self.expected:>10.1%}{self.reached:>10.1%}{100 * self.off:>+7.1f}{self.expected_usd:>14.3f}"
            f"{self.paid_usd:>10.3f}  {'yes' if self.warned else 'no'}"
        )


def main() -> None:
    """Measure, print a table, and write JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20, help="of days, at most")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", action="store_true", help="print what the command prints, and end")
    arguments = parser.parse_args()
    if arguments.show:
        _show()
        return
    print(_HEAD)
    rows: list[Row] = []
    for requests, budgets, pairs in DAYS:
        for pair in range(min(pairs, arguments.pairs)):
            rows += _pair(pair, requests, budgets)
    sums = _sums(rows)
    print(f"\nthe next day's difference in points, by kind of day and share that was wanted\n{_SUMS_HEAD}")
    for each in sums:
        print(
            f"{each.requests:>8}  {each.budgets:<14}{each.wanted:>8.0%}{each.pairs:>7}{100 * each.rms:>13.1f}"
            f"{100 * each.worst:>7.1f}{each.within:>18}"
        )
    paid = {requests: _paid(rows, requests) for requests in dict.fromkeys(each for each, _, _ in DAYS)}
    for requests, ratio in paid.items():
        print(
            f"{requests} requests a day, budgets used up by the hour: paid {ratio:.2f} of what was expected"
        )
    if arguments.json:
        report = {
            "rows": [asdict(row) for row in rows],
            "sums": [asdict(each) for each in sums],
            "paid_of_expected": paid,
        }
        arguments.json.write_text(json.dumps(report, indent=2))


_SUMS_HEAD = (
    f"{'requests':>8}  {'budgets':<14}{'wanted':>8}{'pairs':>7}{'mean square':>13}{'worst':>7}"
    f"{'within 3 points':>18}"
)


@dataclass(frozen=True)
class Sums:
    """What pairs of days came to, for one share that was wanted."""

    requests: int
    budgets: str
    wanted: float
    pairs: int
    rms: float
    worst: float
    within: int


def _sums(rows: list[Row]) -> list[Sums]:
    found: dict[tuple[int, str, float], list[float]] = {}
    for row in rows:
        found.setdefault((row.requests, row.budgets, row.wanted), []).append(abs(row.off))
    return [
        Sums(
            requests=requests,
            budgets=budgets,
            wanted=wanted,
            pairs=len(offs),
            rms=math.sqrt(sum(off * off for off in offs) / len(offs)),
            worst=max(offs),
            within=sum(off <= WITHIN for off in offs),
        )
        for (requests, budgets, wanted), offs in found.items()
    ]


def _paid(rows: list[Row], requests: int) -> float:
    some = [row for row in rows if row.requests == requests and row.budgets == "by the hour"]
    return sum(row.paid_usd for row in some) / sum(row.expected_usd for row in some)


def _show() -> None:
    """Print the command's own words for a share, and for a spend that is written."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("policy.yaml").write_text(POLICY)
        lived(load_policy(Path("policy.yaml")), seed=0, requests=5_000, records=Path("decisions.jsonl"))
        asked = ["calibrate", "--policy", "policy.yaml", "--input", "decisions.jsonl"]
        for targets in (["--target-cloud-share", "0.2"], ["--max-usd-per-day", "1.20", "--write"]):
            print("$ gateway", *asked, *targets)
            run([*asked, *targets])
            print()


def _pair(pair: int, requests: int, budgets: str) -> list[Row]:
    is_spent_by_itself = budgets == "by themselves"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        policy, records = Path(folder) / "policy.yaml", Path(folder) / "decisions.jsonl"
        policy.write_text(POLICY)
        lived(
            load_policy(policy),
            seed=2 * pair,
            requests=requests,
            records=records,
            is_spent_by_itself=is_spent_by_itself,
        )
        for wanted in SHARES:
            policy.write_text(POLICY)
            said = calibrated(policy, records, "--target-cloud-share", str(wanted))
            after = lived(
                load_policy(policy),
                seed=2 * pair + 1,
                requests=requests,
                day=1,
                is_spent_by_itself=is_spent_by_itself,
            )
            rows.append(_row(pair, wanted, said, after, budgets))
            print(rows[-1].line())
    return rows


def calibrated(policy: Path, records: Path, *targets: str) -> dict[str, float]:
    """Run the command, write the policy, and return what it says to scripts."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = run(
            ["calibrate", "--policy", str(policy), "--input", str(records), *targets, "--write", "--json"]
        )
    if status:
        raise SystemExit(f"gateway calibrate ended with {status}")
    said: dict[str, float] = json.loads(printed.getvalue())
    return said


def _row(pair: int, wanted: float, said: dict[str, float], after: Sum, budgets: str) -> Row:
    return Row(
        budgets=budgets,
        requests=after.requests,
        pair=pair + 1,
        wanted=wanted,
        threshold=said["threshold"],
        expected=said["cloud_share"],
        reached=after.cloud_share,
        expected_usd=said["usd_per_day"],
        paid_usd=after.cost_usd_nanos / 1e9,
        warned=bool(said["uses_up_a_budget"]),
    )


if __name__ == "__main__":
    main()
