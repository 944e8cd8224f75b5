"""Calibrating a local model: questions are read strictly, and an engine is asked for real."""

import hashlib
import json
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.cli.calibrate_model import calibrate_model
from gateway.cli.exits import CommandFailed
from gateway.engine.models import resolve_model_path
from gateway.errors import InputRefused
from gateway.offline import confidence_fit
from gateway.offline.labelled import LabelledQuestion, read_questions
from gateway.policy.escalation import Calibration
from gateway.policy.loading.load import parse_policy

POLICY = parse_policy(
    """
version: 1
models: {edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, max_tokens: 12}}
rules: [{name: default, route: [edge]}]
replies: [{id: sorry, text: x}]
""",
    name="p",
)


@pytest.mark.parametrize(
    ("answers", "reply", "is_right"),
    [
        (("Paris",), "It is paris.", True),
        (("Paris",), "It is Parisian.", False),
        (("4", "four"), "Four!", True),
        (("4",), "It is 4.5", False),
        (("New York",), "new  york", True),
        ((), "anything", False),
    ],
)
def test_is_right(answers: tuple[str, ...], reply: str, is_right: bool) -> None:
    """Whole words, in any case; where no answer is right, none is."""
    assert LabelledQuestion(text="q", answers=answers).is_right(reply) is is_right


def test_read_questions(tmp_path: Path) -> None:
    """One answer, several, or none."""
    path = tmp_path / "qa.jsonl"
    path.write_text('{"text": "a", "answer": "b"}\n\n{"text": "c", "answer": ["d", "e"]}\n{"text": "f"}\n')

    assert [each.answers for each in read_questions(path)] == [("b",), ("d", "e"), ()]


@pytest.mark.parametrize(
    "line", ["[]", "{", '{"text": 1}', '{"text": "a", "answer": 4}', '{"text": "a", "answer": "?"}']
)
def test_a_bad_line_is_named(line: str, tmp_path: Path) -> None:
    """By file and line, and without a word of it."""
    path = tmp_path / "qa.jsonl"
    path.write_text('{"text": "fine"}\n' + line)

    with pytest.raises(InputRefused, match=r"qa\.jsonl:2: "):
        read_questions(path)
    assert run(["calibrate", "--model", "edge", "--input", str(path)]) == 2


def test_an_unknown_model_is_named(tmp_path: Path) -> None:
    """With those that there are."""
    with pytest.raises(CommandFailed, match=r"--model other: .* it has edge"):
        calibrate_model(POLICY, "other", labelled=tmp_path / "none", as_json=False)


def test_a_calibration_for_the_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed is the block that the policy takes, with the hashes of this very model."""
    monkeypatch.setattr(confidence_fit, "LEAST_OF_EACH", 2)
    rows = [{"text": "Hello", "answer": "hello"}, {"text": "Why is the sky blue?", "answer": None}] * 4
    path = tmp_path / "qa.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))

    calibrate_model(POLICY, "edge", labelled=path, as_json=True)

    # Unconfigured, the log of the engine's start is on standard output, too; the command puts it elsewhere.
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["answers"] == 8
    block = Calibration.model_validate({key: printed[key] for key in Calibration.model_fields})
    assert block.model_sha256 == hashlib.sha256(resolve_model_path("builtin:demo").read_bytes()).hexdigest()
