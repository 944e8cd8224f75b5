"""`gateway spend`: sums of the records of several gateways, to the nano-dollar, and what is refused."""

import asyncio
import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.ledger.accounts import Account
from gateway.ledger.open import open_ledger
from gateway.policy.loading.load import parse_policy
from tests.support.days_of_traffic import POLICY, lived


@pytest.fixture
def hosts(tmp_path: Path) -> dict[Path, int]:
    """The records of two gateways, on a Monday and a Tuesday, and what each spent in nano-dollars."""
    policy = parse_policy(POLICY, name="p")
    files = [tmp_path / "one" / "decisions.jsonl", tmp_path / "two" / "decisions.jsonl"]
    found = {}
    for day, file in enumerate(files):
        file.parent.mkdir()
        found[file] = lived(policy, seed=day, requests=60, day=day, records=file).cost_usd_nanos
    assert all(found.values())
    return found


def _csv(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, str]]:
    assert run(["spend", *args, "--csv"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


@pytest.mark.parametrize("by", ["tenant", "tenant,model", "day,kind", "key,month,label:team"])
def test_every_way_to_sum_has_the_same_total(
    by: str, hosts: dict[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is lost or counted twice, over both hosts."""
    rows = _csv(capsys, *map(str, hosts), "--by", by)
    assert sum(Decimal(row["cost_usd"]) for row in rows) * 10**9 == sum(hosts.values())
    assert sum(int(row["calls"]) for row in rows) == 120
    assert list(rows[0])[: by.count(",") + 1] == by.split(",")


def test_a_span_holds_its_first_moment_and_not_its_last(
    hosts: dict[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A day of UTC; the other host's day is outside."""
    spent = list(hosts.values())
    rows = _csv(capsys, *map(str, hosts), "--by", "day", "--until", "2025-11-25")
    assert [row["day"] for row in rows] == ["2025-11-24"]
    assert Decimal(rows[0]["cost_usd"]) * 10**9 == spent[0]
    rows = _csv(capsys, *map(str, hosts), "--by", "day", "--since", "2025-11-25T01:00+01:00")
    assert [row["day"] for row in rows] == ["2025-11-25"]
    assert Decimal(rows[0]["cost_usd"]) * 10**9 == spent[1]
    assert _csv(capsys, *map(str, hosts), "--since", "7d") == []


async def _charged(url: str, cost_usd_nanos: int) -> None:
    ledger = open_ledger(url)
    account = Account(
        key="all", budget="all", limit_usd_nanos=10**12, begins_at_unix_s=0.0, resets_at_unix_s=4e9
    )
    await ledger.reserve_and_dial(
        reservation_id="r", model="cloud", amount_usd_nanos=10**12, accounts=(account,), expires_unix_s=4e9
    )
    await ledger.settle("r", cost_usd_nanos)
    await ledger.aclose()


@pytest.mark.parametrize(
    ("more", "status", "said"), [(0, 0, "holds the same"), (7, 1, "more than"), (-7, 1, "less than")]
)
def test_the_ledger_is_compared(
    more: int,
    status: int,
    said: str,
    hosts: dict[Path, int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both books agree, or the difference is told to the nano-dollar, and the sums are printed."""
    url = f"sqlite://{tmp_path}/ledger.db"
    asyncio.run(_charged(url, sum(hosts.values()) + more))
    capsys.readouterr()
    assert run(["spend", *map(str, hosts), "--state", url, "--json"]) == status
    out, err = capsys.readouterr()
    assert Decimal(json.loads(out)["total_usd"]) * 10**9 == sum(hosts.values())
    assert Decimal(json.loads(out)["ledger_usd"]) * 10**9 == sum(hosts.values()) + more
    assert said in err
    assert ("0.000000007" in err) is bool(more)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--by", "colour"], "--by colour: is none of tenant, key, model, day, month, kind, label:NAME"),
        (["--by", "day,day"], "--by day,day: names one twice"),
        (["--since", "yesterday"], "'yesterday' is no date (2026-11-01), time"),
        (["--json", "--csv"], "--json and --csv: choose one"),
        (["--state", "memory:", "--since", "1d"], "--state: a ledger has no sums of a span"),
        (["--state", "sqlite:///tmp/there/is/none.db"], "there is no folder"),
    ],
)
def test_what_cannot_be_summed(
    args: list[str], said: str, hosts: dict[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the option, and nothing on standard output."""
    assert run(["spend", *map(str, hosts), *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_files_that_would_count_twice(hosts: dict[Path, int], capsys: pytest.CaptureFixture[str]) -> None:
    """The same file named twice, or a copy of it."""
    file = next(iter(hosts))
    copy = file.with_name("copy.jsonl")
    copy.write_bytes(file.read_bytes())
    for other in (file, copy):
        assert run(["spend", str(file), str(other)]) == 2
        assert f"{other}:1: holds the same records as {file}:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no JSON", ":1: is not JSON"),
        ('{"v": 2, "kind": "request"}', ":1: is not a record of version 1"),
        ('{"v": 1, "kind": "request", "at_unix_s": 1}', ":1: is not a whole record: KeyError"),
        (
            '{"v": 1, "kind": "outcome", "at_unix_s": 1, "tenant": "t",'
            ' "attempts": [{"model": "m", "outcome": "FAILED", "usage": null, "cost_usd_nanos": -1}]}',
            ":1: is not a whole record: TypeError",
        ),
    ],
)
def test_lines_that_are_no_records(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place is named; no sum is printed that leaves something out."""
    file = tmp_path / "decisions.jsonl"
    file.write_text(line + "\n")
    assert run(["spend", str(file)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"{file}{said}" in err


def test_files_that_cannot_be_read(
    hosts: dict[Path, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also the second one is named."""
    assert run(["spend", str(next(iter(hosts))), str(tmp_path / "none.jsonl")]) == 2
    assert f"{tmp_path}/none.jsonl: cannot be read: No such file" in capsys.readouterr().err


def test_a_call_that_a_budget_refused_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is in the record as an attempt; one that failed was made, and may cost."""
    attempts = [
        {"model": "m", "outcome": outcome, "usage": None, "cost_usd_nanos": cost}
        for outcome, cost in (("REFUSED", 0), ("FAILED", 0), ("FAILED", 3))
    ]
    record = {"v": 1, "kind": "outcome", "at_unix_s": 1, "tenant": "t", "attempts": attempts}
    file = tmp_path / "decisions.jsonl"
    file.write_text(json.dumps(record) + "\n")
    (row,) = _csv(capsys, str(file), "--by", "label:team,kind")
    assert row == {
        "label:team": "", "kind": "mirror", "calls": "2", "prompt_tokens": "0", "completion_tokens": "0",
        "cost_usd": "0.000000003", "unknown_usd": "0.000000003",
    }  # fmt: skip
