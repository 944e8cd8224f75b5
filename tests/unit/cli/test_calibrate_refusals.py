"""`gateway calibrate` refuses what it cannot work with: in one line, and it writes nothing."""

import json
import math
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.complexity.complexity import FEATURES
from tests.support.calibration import recorded
from tests.support.default_policy import with_cloud


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ("", 1, "has no usable request"),
        ('{"kind":"start","v":1}\n', 1, "has no usable request"),
        ('{"kind":"request"', 2, "decisions.jsonl:1: is not JSON"),
        ('{"kind":"request","v":9}\n', 2, "decisions.jsonl:1: is not a record of version 1"),
        ('{"kind":"request","v":1,"facts":{}}\n', 2, "decisions.jsonl:1: is not a whole record"),
        (None, 2, "decisions.jsonl: cannot be read"),
    ],
)
def test_a_file_that_says_nothing(
    content: str | None, status: int, said: str, tmp_path: Path, policy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """By its name, and by the line where one is wrong."""
    path = tmp_path / "decisions.jsonl"
    if content is not None:
        path.write_text(content)
    asked = ["calibrate", "--policy", str(policy), "--input", str(path), "--target-cloud-share", "0.2"]
    assert run(asked) == status
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ({"features": [0.1, 0.2]}, f"has 2 features where this version has {FEATURES}"),
        ({"features": [math.nan] * FEATURES}, "is not a whole record: TypeError"),
        ({"features": ["a"] * FEATURES}, "is not a whole record: TypeError"),
        ({"usage": {"prompt_tokens": None, "completion_tokens": 7}}, "is not a whole record: TypeError"),
        ({"cost_usd_nanos": 0.5}, "is not a whole record: TypeError"),
    ],
)
def test_a_record_that_would_be_scored_or_counted_wrongly(
    spoilt: dict[str, object], said: str, tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its line is named: numbers that do not fit would give a threshold, and a wrong one."""
    path = recorded(tmp_path, [0.2, 0.8])
    lines = path.read_text().splitlines()
    lines[-1] = json.dumps(json.loads(lines[-1]) | spoilt)
    path.write_text("\n".join(lines) + "\n")
    asked = ["calibrate", "--policy", str(policy), "--input", str(path), "--target-cloud-share", "0.2"]
    assert run(asked) == 2
    assert f"decisions.jsonl:{len(lines)}: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            [],
            "calibrate: needs --input FILE with --target-cloud-share or --max-usd-per-day, or --model NAME",
        ),
        (["--input", "x"], "--input needs --target-cloud-share, --max-usd-per-day, or both"),
        (["--input", "x", "--write", "--rule", "a"], "--input needs --target-cloud-share"),
        (["--target-cloud-share", "0.2"], "--target-cloud-share needs --input FILE"),
        (["--write"], "--write needs --input FILE"),
        (["--model", "edge"], "--model needs --labelled FILE"),
        (["--labelled", "x"], "--labelled needs --model NAME"),
        (["--model", "edge", "--labelled", "x", "--write"], "--model does not go with --write"),
        (
            ["--model", "edge", "--input", "x"],
            "--model does not go with --input: give either --input or --model",
        ),
        (["--input", "x", "--max-usd-per-day", "inf"], "must be a finite number"),
        (["--input", "x", "--target-cloud-share", "1.2"], "must be at most 1.0"),
        (["--input", "x", "--target-cloud-share", "0.2", "--write"], "--write needs --policy FILE"),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mixed or missing: the line says what belongs together."""
    assert run(["calibrate", *options]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_two_rules_that_compare_complexity_want_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which of the numbers is meant nobody can know."""
    (tmp_path / "policy.yaml").write_text(with_cloud(), encoding="utf-8")
    policy = ("--policy", str(tmp_path / "policy.yaml"))
    assert run(["calibrate", *policy, "--input", "x", "--target-cloud-share", "0.2"]) == 2
    assert "3 rules compare complexity with a number; set --rule to" in capsys.readouterr().err
