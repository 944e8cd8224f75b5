"""`gateway calibrate --signals`: conditions that pay, found in records of rated answers."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.app import run
from gateway.domain.signals import ConversationSignals
from gateway.policy.loading.load import parse_policy
from gateway.policy.loading.rules import Conditions
from gateway.records.encoding import fields_of
from tests.support.records_made import POLICY, TEXT, ended

Score = Callable[[ConversationSignals, random.Random], float]


def rated(
    folder: Path,
    count: int,
    score: Score,
    *,
    effort: Callable[[int], str] = lambda _: "",
    feedback: bool = True,
) -> Path:
    """Write records of answers of the edge to conversations of all lengths, each with feedback."""
    dice = random.Random(7)
    made = fields_of(ended(parse_policy(POLICY, name="p"), complexity=0.2))
    lines: list[dict[str, Any]] = []
    for number in range(count):
        signals = ConversationSignals(
            turn=dice.randint(1, 9),
            conversation_tokens=dice.randint(50, 20_000),
            tool_calls=dice.randint(0, 12),
            last_tool_error=dice.random() < 0.3,
            reasoning_effort=effort(number),
        )
        named = {"v": 1, "request_id": f"r{number}", "at_unix_s": float(number)}
        thought = 40 if signals.reasoning_effort in ("", "low") else 400
        usage = {**made["usage"], "reasoning_tokens": thought if signals.reasoning_effort else 0}
        facts = {**made["facts"], "signals": signals.values()}
        lines.append({**made, **named, "facts": facts, "usage": usage})
        said = {"kind": "feedback", "tenant": "acme", "score": score(signals, dice), "labels": {}}
        if feedback:
            lines.append({**named, **said, "at_unix_s": number + 0.5})
    path = folder / "decisions.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def long_ones_fail(signals: ConversationSignals, dice: random.Random) -> float:
    """Of long conversations one in five is good, of others nine in ten."""
    return float(dice.random() < (0.2 if signals.conversation_tokens > 8000 else 0.9))


def proposed(policy: Path, records: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what the command prints for scripts."""
    flags = ["--policy", str(policy), "--input", str(records), "--signals", "--json"]
    assert run(["calibrate", *flags]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_signal_that_tells_is_proposed(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where long conversations fail at the edge, length pays, near the number, and dice do not."""
    found = proposed(policy, rated(tmp_path, 400, long_ones_fail), capsys)
    best = found["conditions"][0]
    name, operator, number = best["when"].split()
    assert (name, operator) == ("conversation_tokens", ">=")
    assert 6500 < int(number) < 9500
    assert best["gain"] > 0.6 > 0.3 > best["gain_elsewhere"]
    assert [each["when"].split()[0] for each in found["conditions"] if each["pays"]] == [
        "conversation_tokens"
    ]
    assert found["cloud_usd_per_1000"] == pytest.approx(1000 * (11 * 1 + 7 * 2) / 1e6)
    for each in found["conditions"]:
        Conditions().compile(each["when"])  # CEL takes it as it is.


def test_where_nothing_tells_nothing_is_proposed(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of outcomes that are dice no condition pays, and people are told so."""
    records = rated(tmp_path, 400, lambda _, dice: float(dice.random() < 0.5))
    assert run(["calibrate", "--policy", str(policy), "--input", str(records), "--signals"]) == 0
    said = capsys.readouterr().out
    assert "No condition surely pays" in said
    assert "name: pays" not in said


def test_the_rule_is_written_out(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People get a line for the policy, which loads; no text of a request is printed."""
    records = rated(tmp_path, 400, long_ones_fail)
    assert run(["calibrate", "--policy", str(policy), "--input", str(records), "--signals"]) == 0
    said = capsys.readouterr().out
    rule = next(line for line in said.splitlines() if "name: pays" in line)
    parse_policy(POLICY.replace("  - {name: default", f"{rule}\n  - {{name: default"), name="p")
    assert TEXT not in said
    assert max(map(len, said.splitlines())) <= 110


@pytest.mark.parametrize(("better", "pays"), [(0.0, True), (0.4, False)])
def test_effort_is_low_where_that_is_rated_no_worse(
    better: float, pays: bool, tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """Little reasoning is compared with more, by its ratings and its tokens."""

    def score(signals: ConversationSignals, dice: random.Random) -> float:
        chance = 0.95 - (better if signals.reasoning_effort == "low" else 0.0)
        return float(dice.random() < chance)

    records = rated(tmp_path, 1200, score, effort=lambda number: "low" if number % 2 else "high")
    effort = proposed(policy, records, capsys)["effort"]
    assert effort["pays"] is pays
    assert (effort["low_tokens"], effort["usual_tokens"]) == (40.0, 400.0)


def test_too_few_are_refused_in_words(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many there are, how many are needed, and what to do."""
    asked = ["calibrate", "--policy", str(policy), "--signals", "--input"]
    assert run([*asked, str(rated(tmp_path, 40, long_ones_fail))]) == 1
    said = capsys.readouterr().err
    assert "40 rated answers are too few to search in; 100 are needed; 40 requests were answered" in said
    assert "gateway feedback" in said
    assert run([*asked, str(rated(tmp_path, 200, long_ones_fail, feedback=False))]) == 1
    assert "0 rated answers are too few" in capsys.readouterr().err
    assert run([*asked, str(rated(tmp_path, 200, lambda _, __: 1.0))]) == 1
    assert "all rated answers are alike" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--signals"], "--signals needs --input FILE"),
        (["--signals", "--input", "x", "--target-cloud-share", "0.2"], "--signals does not go with --target"),
        (["--signals", "--input", "x", "--model", "edge"], "--signals does not go with --model"),
    ],
)
def test_signals_are_a_mode_of_their_own(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What does not go together is refused before anything is read."""
    assert run(["calibrate", *flags]) == 2
    assert said in capsys.readouterr().err
