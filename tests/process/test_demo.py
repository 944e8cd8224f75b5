"""`gateway demo` as a newcomer runs it, and what makes it fail."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from gateway.cli.demo.cases import CASES, DemoExpectation, DemoResult
from gateway.cli.demo.table import results, summary
from gateway.ledger.accounts import Totals
from gateway.simulate.billing import Bill
from gateway.v1 import gateway_pb2 as pb


def test_the_demo_shows_every_case_and_succeeds() -> None:
    """At 80 columns every case can be read, and what follows the cases fits into a window of 30 lines."""
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "demo"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    for number, case in enumerate(CASES, start=1):
        assert f"{number}. {case.title}: ok" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80
    end = ended.stdout[ended.stdout.index("What they answered") :].splitlines()
    assert len(end) < 30
    assert "  ledger: settled" in "\n".join(end)
    summary = [line.split("  ")[0] for line in end[-8:-4]]
    assert summary == ["routes as expected", "private bytes sent", "bill = ledger", "engine killed"]
    assert end[-8].split()[3:] == [str(len(CASES)), "of", str(len(CASES))]
    assert end[-7].split()[3:] == ["0"]
    assert end[-2].endswith("gateway serve")


RIGHT = DemoResult(
    response=pb.GenerateResponse(
        route=pb.ROUTE_LOCAL,
        model="edge",
        decision=pb.Decision(rule="default"),
        attempts=[pb.Attempt(model="edge", outcome=pb.OUTCOME_ANSWERED)],
    ),
    deltas=0,
    provider_bytes=0,
    duration_ms=1.0,
)
WANTED = {
    "route": pb.ROUTE_LOCAL,
    "model": "edge",
    "rule": "default",
    "attempts": ("edge",),
    "is_provider_silent": True,
}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("route", pb.ROUTE_CLOUD),
        ("model", "cloud"),
        ("rule", "hard"),
        ("attempts", ("edge ENGINE_DOWN", "edge")),
        ("refused", ("cloud",)),
        ("degraded", pb.REASON_CLEARANCE),
        ("is_provider_silent", False),
        ("is_streamed", True),
    ],
)
def test_a_row_that_differs_in_anything_is_a_problem(name: str, wrong: object) -> None:
    """Each fact that a case expects can fail, and none does when all is right."""
    assert DemoExpectation(**WANTED).problems(RIGHT) == []  # type: ignore[arg-type]  # A table of several types.
    assert len(DemoExpectation(**{**WANTED, name: wrong}).problems(RIGHT)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_nothing_is_cut_away_on_a_narrow_terminal(width: int) -> None:
    """Every title, score, reason, refusal, cost and verdict can be read at any width."""
    response = pb.GenerateResponse()
    response.CopyFrom(RIGHT.response)
    response.cost_usd = 0.000121
    response.usage.prompt_tokens, response.usage.completion_tokens = 117, 128
    response.decision.privacy_class = pb.PRIVACY_CLASS_RESTRICTED
    response.decision.refused.add(model="backup", reason=pb.REASON_CLEARANCE)
    response.attempts.add(model="backup", outcome=pb.OUTCOME_FAILED, reason=pb.REASON_BUDGET_EXHAUSTED)
    result = DemoResult(response=response, deltas=0, provider_bytes=0, duration_ms=425.0)
    console = Console(file=io.StringIO(), width=width)
    console.print(results([(case, result, ["wrong"]) for case in CASES], width=width))
    assert isinstance(console.file, io.StringIO)
    shown = " ".join(console.file.getvalue().split())

    for case in CASES:
        assert case.title.split()[-1] in shown
    for number in range(1, len(CASES) + 1):
        assert f"{number}. " in shown
    for words in (
        "0.000121",
        "117+128",
        "restricted",
        "backup CLEARANCE",
        "backup BUDGET_EXHAUSTED",
        "425",
    ):
        assert shown.count(words) >= len(CASES), words
    assert shown.count("NOT") >= len(CASES)


@pytest.mark.parametrize("width", [80, 100])
def test_a_chain_is_never_named_refused(width: int) -> None:
    """Below the width of the table each line says what it lists; only what a filter removed is refused."""
    response = pb.GenerateResponse()
    response.CopyFrom(RIGHT.response)
    response.decision.chain[:] = ["edge", "cloud"]
    response.decision.refused.add(model="backup", reason=pb.REASON_CLEARANCE)
    result = DemoResult(response=response, deltas=0, provider_bytes=0, duration_ms=1.0)
    console = Console(file=io.StringIO(), width=width)
    console.print(results([(CASES[0], result, [])], width=width))
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]

    assert ["rule", "default:", "edge,", "cloud"] in lines
    assert ["refused", "backup", "CLEARANCE"] in lines


def test_the_summary_says_what_is_wrong() -> None:
    """A route, private bytes, the bill and the gateway's end: each can be other than expected."""
    private = next(case for case in CASES if case.is_private)
    leaked = DemoResult(response=RIGHT.response, deltas=0, provider_bytes=7, duration_ms=1.0)
    bill = Bill(requests=1, bytes_received=7, disconnects=0, billed_usd_nanos=2_000, models={})
    totals = Totals(settled_usd_nanos=0, unknown_usd_nanos=0, held_usd_nanos=0)
    console = Console(file=io.StringIO(), width=80)
    console.print(summary([(private, leaked, ["wrong"])], bill, totals, engine_kills=2, exit_status=1))
    assert isinstance(console.file, io.StringIO)

    assert [" ".join(line.split()) for line in console.file.getvalue().splitlines()] == [
        "routes as expected 0 of 1",
        "private bytes sent 7",
        "bill is not ledger 0.000002000 is not 0.000000000 USD",
        "engine killed 2 times; the gateway continued, and ended with status 1",
    ]
