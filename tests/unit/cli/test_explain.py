"""`gateway explain`: scores, findings, rule, chain and refusals, without a server or a word of the text."""

import json
import re
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.cli.explain import decide_unspent
from gateway.cli.render import FINDING_COLUMNS, finding_rows
from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.policy.loading.load import parse_policy
from gateway.server.grpc.render import render_explanation
from gateway.v1 import gateway_pb2 as pb
from tests.support.fakes import FakeClock

POLICY = """
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, context: 64}
  cloud: {kind: openai, model: m, clearance: internal, price_per_million_usd: {input: 1, output: 2}}
budgets:
  - {name: daily, per: tenant, limit_usd: LIMIT, window: day}
rules:
  - {name: billing, when: '"team" in labels && labels.team == "billing"', route: [cloud]}
  - {name: default, route: [cloud, edge]}
replies:
  - {id: sorry, text: "Please try again."}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy with a small model at the edge and a priced one in the cloud."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("LIMIT", "1"))
    return path


def explain(policy: Path, *arguments: str) -> int:
    """Run the command; return its exit status."""
    return run(["explain", "--policy", str(policy), *arguments])


def test_a_person_sees_why(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scores, class with its reason, finding by type and place, rule, chain and refusals are shown."""
    assert explain(policy, "Mail jane@example.com") == 0
    out, err = capsys.readouterr()
    rows = dict(
        re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in out.splitlines() if "  " in line.strip()
    )
    assert rows["privacy"].endswith("class CONFIDENTIAL (floor EMAIL)")
    assert re.fullmatch(r"0\.\d{3}", rows["complexity"])
    assert rows["budget"] == "0.000"
    assert rows["found"] == "1 EMAIL"
    assert rows["rule"] == "default"
    assert rows["chain"] == "edge"
    assert rows["refused"] == "cloud (CLEARANCE)"
    assert re.fullmatch(r"messages\[0\]\.content\s+5\.\.21\s+[01]\.\d\d", rows["EMAIL"])
    assert "jane" not in out
    assert err == ""


def test_a_model_can_be_named(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only it is in the chain; what the rule does not route to, or nobody knows, is one line and status 2."""
    assert explain(policy, "--json", "--model", "edge", "hello") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["decision"]["chain"], shown["decision"]["refused"]) == (["edge"], [])

    assert explain(policy, "--model", "edge", "--label", "team=billing", "hello") == 2
    assert "the rule billing does not route to edge" in capsys.readouterr().err
    assert explain(policy, "--model", "claude", "hello") == 2
    assert "model: is neither a model nor an alias of the policy" in capsys.readouterr().err


def test_a_finding_says_in_which_field_it_is() -> None:
    """A part of a message, or a field of the config."""
    findings = [
        pb.Finding(type="EMAIL", message_index=2, path="parts[1].tool_call.arguments_json", end=9),
        pb.Finding(type="EMAIL", message_index=-1, path="config.tools[0].description", end=9),
    ]
    assert [dict(zip(FINDING_COLUMNS, row, strict=True))["in"] for row in finding_rows(findings)] == [
        "messages[2].parts[1].tool_call.arguments_json",
        "config.tools[0].description",
    ]


def test_json_is_the_explain_response(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints what the rpc Explain answers, with the names of the proto."""
    assert explain(policy, "--json", "Mail jane@example.com") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["decision"]["refused"] == [{"model": "cloud", "reason": "REASON_CLEARANCE"}]
    assert shown["decision"]["chain"] == ["edge"]
    (finding,) = shown["findings"]
    assert (finding["type"], finding["start"], finding["end"], finding["message_index"]) == (
        "EMAIL",
        5,
        21,
        0,
    )


@pytest.mark.parametrize(
    ("arguments", "key", "value", "why"),
    [
        (("--label", "team=billing", "hi"), "rule", "billing", "rules read labels"),
        (("hi",), "rule", "default", "and without a label another rule holds"),
        (("--privacy-class", "restricted", "hi"), "chain", ["edge"], "a hint raises the class"),
        (("--system", "Mail jane@example.com", "hi"), "chain", ["edge"], "every message counts"),
        (("word " * 200,), "chain", ["cloud"], "the prompt cannot fit the edge"),
    ],
)
def test_options_tell_what_the_request_would_be(
    policy: Path,
    arguments: tuple[str, ...],
    key: str,
    value: object,
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What would change the route of a real request changes the explanation."""
    assert explain(policy, "--json", *arguments) == 0
    assert json.loads(capsys.readouterr().out)["decision"][key] == value, why


@pytest.mark.parametrize(("limit", "score"), [("1", 0.0), ("0", 1.0)])
def test_nothing_is_spent(policy: Path, limit: str, score: float, capsys: pytest.CaptureFixture[str]) -> None:
    """The budget score is that of a gateway before its first request: only a limit of 0 is used up."""
    policy.write_text(POLICY.replace("LIMIT", limit))
    assert explain(policy, "--json", "hi") == 0
    assert json.loads(capsys.readouterr().out)["decision"]["scores"]["budget"] == score


def test_free_models_are_bound_by_no_budget() -> None:
    """Where no model has a price, a limit of 0 leaves the budget score at 0."""
    text = re.sub(r"  cloud: .*\n", "", POLICY).replace("cloud, edge", "edge").replace("[cloud]", "[edge]")
    request = Request(request_id="r", tenant="default", messages=(Message(role=Role.USER, content="hi"),))
    decision = decide_unspent(request, parse_policy(text.replace("LIMIT", "0"), name="p"), clock=FakeClock())
    assert decision.scores.budget == 0.0
    assert decision.privacy_class is PrivacyClass.PUBLIC
    assert render_explanation(decision).decision.chain == ["edge"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("",), "messages[0].content: must not be empty"), (("--label", "a b=c", "hi"), "labels: every key")],
)
def test_a_request_that_a_gateway_refuses_is_refused(
    policy: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a gateway would answer with INVALID_ARGUMENT is one line here, with the field."""
    assert explain(policy, *arguments) == 2
    assert capsys.readouterr().err.startswith(f"gateway: {said}")


def test_a_bad_policy_is_refused_with_its_line(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy with a mistake is no policy."""
    policy.write_text(POLICY.replace("LIMIT", "-1"))
    assert explain(policy, "hi") == 2
    assert re.match(rf"{policy}:7: budgets\[0\]\.limit_usd: ", capsys.readouterr().err)


def test_without_a_policy_it_is_the_packaged_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The first try needs no file."""
    assert run(["explain", "What is a hash table?"]) == 0
    assert "chain" in capsys.readouterr().out
