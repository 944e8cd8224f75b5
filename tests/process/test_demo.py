"""`gateway demo` as a newcomer runs it, and what makes it fail."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from gateway.cli.demo.cases import CASES, DemoExpectation, DemoResult
from gateway.cli.demo.table import results
from gateway.v1 import gateway_pb2 as pb


def test_the_demo_shows_every_case_and_succeeds() -> None:
    """Every case has its row, bill and ledger are shown, and the exit status is 0."""
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "demo"], capture_output=True, text=True, timeout=120, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    for number, case in enumerate(CASES, start=1):
        assert f"{number}. {case.title.split()[0]}" in ended.stdout
    assert "ledger: settled" in ended.stdout
    assert ended.stderr == ""


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
        "x backup CLEARANCE",
        "backup BUDGET_EXHAUSTED",
        "425",
    ):
        assert shown.count(words) >= len(CASES), words
    assert shown.count("NOT") >= len(CASES)
