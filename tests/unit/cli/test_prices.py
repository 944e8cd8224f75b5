"""`gateway prices`: what the catalogue says, and how a policy differs from it."""

import json
from pathlib import Path

import pytest

from gateway.cli.app import run

POLICY = """
version: 1
models:
  mini: {kind: openai, model: gpt-5-mini, clearance: public, price_per_million_usd: %s}
  own: {kind: openai, model: mine, base_url: "http://127.0.0.1:1", clearance: public,
        price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [mini, own]}]
replies: [{id: sorry, text: "Sorry."}]
"""


def test_a_model_is_shown_with_its_tiers(capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, one line a tier."""
    assert run(["prices", "show", "claude-sonnet-4-5", "--base-url", "https://api.anthropic.com"]) == 0
    out = capsys.readouterr().out
    assert "200000" in out
    assert "3.75" in out
    assert "genai-prices" in out


def test_json_is_what_a_policy_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """The object can be written into a policy as it is."""
    assert run(["prices", "show", "gpt-5-mini", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert float(shown["price_per_million_usd"]["cached_input"]) == 0.025
    assert shown["source"].startswith("genai-prices ")


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is guessed."""
    assert run(["prices", "show", "nope"]) == 1
    assert "knows no price of nope" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("price", "status", "said"),
    [
        ("{input: 0.25, output: 2, cached_input: 0.025}", 0, "no price differs"),
        ("{input: 0.25, output: 3, cached_input: 0.025}", 1, "mini: output is 3, the catalogue says 2"),
        ("{input: 0.25, output: 2}", 1, "mini: cached_input is 0.25, the catalogue says 0.025"),
    ],
)
def test_diff_says_what_is_other(
    price: str, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each price that differs is a line, and so is a model that the catalogue does not know."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY % price)
    assert run(["prices", "diff", str(file)]) == status
    out = capsys.readouterr().out
    assert said in out
    assert "own: not in the catalogue" in out
    assert run(["prices", "diff", str(file), "--json"]) == status
    assert json.loads(capsys.readouterr().out)["not_in_catalogue"] == ["own"]
