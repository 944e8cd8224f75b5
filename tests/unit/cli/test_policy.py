"""`gateway policy`: what an operator and a pipeline of checks see."""

import json
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.policy.loading.load import load_policy, parse_policy
from gateway.policy.loading.starting import starting_policy
from tests.support.repository import ROOT

POLICIES = sorted((ROOT / "policies").glob("*.yaml"))


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_check_is_0_and_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every policy of the repository passes, and its hash is printed."""
    assert run(["policy", "check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")
    assert out.startswith(f"{path}: ok")
    assert load_policy(path).hash in out


def test_check_names_each_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy with mistakes is status 2 and a line for each, ready for an editor to jump to."""
    path = tmp_path / "bad.yaml"
    text = (ROOT / "policies" / "compose.yaml").read_text()
    path.write_text(text.replace("route: [edge]", "route: [egde]").replace("window: day", "window: dya"))
    assert run(["policy", "check", str(path)]) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 2
    assert all(line.startswith(f"{path}:") for line in lines)


def test_check_of_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is status 2, too."""
    assert run(["policy", "check", str(tmp_path / "none.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_show_prints_the_effective_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """What `show` prints is a policy of the same hash: defaults that are filled in change nothing."""
    path = ROOT / "policies" / "compose.yaml"
    assert run(["policy", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "stall_s: " in shown
    assert parse_policy(shown, name="shown").hash == load_policy(path).hash


def test_show_without_a_file_is_the_packaged_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """The default is no secret."""
    assert run(["policy", "show"]) == 0
    assert "builtin:demo" in capsys.readouterr().out


def test_schema_is_the_file_beside_the_policies(capsys: pytest.CaptureFixture[str]) -> None:
    """Editors that read policies/schema.json know what the gateway knows."""
    assert run(["policy", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((ROOT / "policies" / "schema.json").read_text())


def test_a_new_policy_has_an_edge_and_a_cloud_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is written with comments and passes the check; a file that is there is not touched."""
    monkeypatch.chdir(tmp_path)
    assert run(["policy", "new"]) == 0
    assert "gateway policy check policy.yaml" in capsys.readouterr().out
    assert run(["policy", "check", "policy.yaml"]) == 0
    written = (tmp_path / "policy.yaml").read_text(encoding="utf-8")
    policy = load_policy(tmp_path / "policy.yaml")
    assert {"llama_cpp", "openai"} == {spec.kind for spec in policy.models.values()}
    assert written.count("# ") > 20
    capsys.readouterr()

    assert run(["policy", "new"]) == 2
    assert capsys.readouterr().err == "gateway: policy.yaml: already exists; name another file\n"
    assert (tmp_path / "policy.yaml").read_text(encoding="utf-8") == written
    assert run(["policy", "new", "nowhere/policy.yaml"]) == 2
    assert capsys.readouterr().err.startswith("gateway: nowhere/policy.yaml: cannot be written")


def test_only_models_and_rules_lose_their_comment_signs() -> None:
    """Prose stays, and so do examples of other sections: nobody's helpdesk is allowed by accident."""
    default = """\
# The head of the file.
version: 1

models:
  edge: {kind: llama_cpp}
  #cloud:
  #  kind: openai           # Any API.
  # A word: of prose.

privacy:
  #allow: [helpdesk@example.com]

rules:
  #- name: hard
  #  route: [cloud]
  - {name: default}
"""
    text = starting_policy(default)
    assert text.endswith(
        """
version: 1

models:
  edge: {kind: llama_cpp}
  cloud:
    kind: openai           # Any API.
  # A word: of prose.

privacy:
  #allow: [helpdesk@example.com]

rules:
  - name: hard
    route: [cloud]
  - {name: default}
"""
    )
    assert "The head of the file" not in text
