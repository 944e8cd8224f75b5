"""`gateway policy test`, `diff` and `replay`: a policy is tried before it runs, on prompts and on records."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.app import run
from gateway.clock import SystemClock
from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import Evidence, PrivacyClass
from gateway.domain.request import Request
from gateway.offline.batch import StillClock
from gateway.offline.replay import difference, input_under, not_reproduced
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.privacy import PrivacyScorer
from gateway.records.decoding import DecisionRecord, read_record
from gateway.records.encoding import fields_of
from gateway.records.writer import Records
from gateway.telemetry.report import CallReport
from tests.support.draws import examples
from tests.support.records_made import POLICY, ended
from tests.support.repository import ROOT

TESTS = """\
tests:
  - prompt: Mail jane.roe@example.org the minutes
    expect: {class: confidential, rule: stays-home, first: edge, never: [cloud]}
  - prompt: hello
    state: {complexity: 0.9}
    expect: {rule: hard, first: cloud}
  - prompt: hello
    labels: {team: red}
    expect: {rule: team}
  - prompt: hello
    hints: {privacy_class: restricted}
    expect: {class: restricted, never: [cloud]}
"""
LAX = POLICY.replace(
    "records:", "privacy: {classes: {confidential: 0.7}, floors: {EMAIL: internal}}\nrecords:"
).replace("privacy_class >= CONFIDENTIAL", "privacy_class >= RESTRICTED")
PRIVATE = {"EMAIL": Evidence(highest=0.9, confident=1)}


def written(tmp_path: Path, name: str, text: str) -> str:
    """Write a file and return its path."""
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def recorded(policy: Policy, report: CallReport) -> DecisionRecord:
    """Return what is read back of a report, through JSON as in a file."""
    return read_record(json.loads(json.dumps({"v": 1, **fields_of(report)})))


def kept(tmp_path: Path, *reports: CallReport) -> str:
    """Write records, and return the path of their file."""
    path = tmp_path / "decisions.jsonl"
    records = Records(path, clock=SystemClock())
    for report in reports:
        records.note(report)
    records.close()
    return str(path)


@pytest.fixture
def policy() -> Policy:
    """The policy that decided."""
    return parse_policy(POLICY, name="p")


def test_tests_that_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0, and how many; as JSON with what was decided."""
    file = written(tmp_path, "team.yaml", POLICY + TESTS)
    assert run(["policy", "test", file]) == 0
    assert "4 of 4 tests passed" in capsys.readouterr().out
    assert run(["policy", "test", "--json", file]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [test["rule"] for test in said["tests"]] == ["stays-home", "hard", "team", "stays-home"]


def test_a_test_that_does_not_hold_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each expectation that fails is a line, and none holds a word of the prompt."""
    file = written(tmp_path, "team.yaml", LAX + TESTS)
    assert run(["policy", "test", file]) == 1
    said = capsys.readouterr().err
    assert f"{file}:17: tests[0]: class is internal (floor EMAIL), expected confidential" in said
    assert f"{file}:17: tests[0]: cloud may be reached, expected never" in said
    assert "jane" not in said


CONVERSATIONS = """\
aliases: {gpt-4o: cloud}
tests:
  - prompt: hello
    state: {complexity: 0.9}
    tools: [{name: weather, description: Of a town., parameters: {type: object}}]
    expect: {class: public, rule: hard, first: cloud}
  - prompt: What is on it?
    images: 2
    expect: {class: restricted, never: [cloud]}
  - prompt: And tomorrow?
    turns: [{role: user, content: Weather?}, {role: tool, content: Ask jane.roe@example.org}]
    expect: {class: confidential, never: [cloud]}
  - prompt: And tomorrow?
    state: {complexity: 0.9}
    turns: [{role: system, content: Be kind.}, {role: assistant, content: Rain.}]
    model: gpt-4o
    expect: {first: cloud, never: [edge]}
  - prompt: And tomorrow?
    tools: [{name: find, description: Of jane.roe@example.org}]
    expect: {class: confidential}
"""
"""With tools, images, earlier turns, and a model that is asked for."""


def test_a_test_may_be_a_whole_conversation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Earlier turns, results and descriptions of tools and images count, and the model that is named."""
    assert run(["policy", "test", written(tmp_path, "team.yaml", POLICY + CONVERSATIONS)]) == 0
    assert "5 of 5 tests passed" in capsys.readouterr().out


def test_a_test_says_that_the_rule_does_not_route_to_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what a caller would be told."""
    test = "tests: [{prompt: Mail jane.roe@example.org, model: cloud, expect: {first: cloud}}]\n"
    assert run(["policy", "test", written(tmp_path, "team.yaml", POLICY + test)]) == 1
    said = capsys.readouterr().err
    assert "first model is none (the rule stays-home does not route to the model that is asked for)" in said


def test_a_test_for_an_unknown_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A caller who names it would get no answer under any rule."""
    test = "tests: [{prompt: hi, model: claude-x, expect: {class: public}}]\n"
    assert run(["policy", "check", written(tmp_path, "team.yaml", POLICY + test)]) == 2
    assert "tests[0].model: no model or alias fits 'claude-x'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["clinic-air-gapped", "startup-cost-capped"])
def test_the_policies_that_ship_do_what_their_tests_say(name: str) -> None:
    """An example whose own tests fail would teach the wrong thing."""
    assert run(["policy", "test", str(ROOT / "policies" / f"{name}.yaml")]) == 0


def test_tests_are_no_part_of_the_policy(tmp_path: Path) -> None:
    """Neither of its hash nor of what it shows."""
    assert parse_policy(POLICY + TESTS, name="p").hash == parse_policy(POLICY, name="p").hash
    assert "jane" not in parse_policy(POLICY + TESTS, name="p").effective_yaml
    assert run(["policy", "test", written(tmp_path, "team.yaml", POLICY)]) == 2


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("{}", "tests[0].expect: expects nothing; name class, rule, first, route, signals or never"),
        ("{rule: hrad}", "tests[0].expect.rule: unknown rule 'hrad' (did you mean 'hard'?)"),
        ("{never: [clowd]}", "tests[0].expect.never[0]: unknown model 'clowd' (did you mean 'cloud'?)"),
        ("{clas: public}", "tests[0].expect.clas: unknown key"),
    ],
)
def test_a_test_that_expects_what_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expect: str, said: str
) -> None:
    """As everything else in a policy, with its line."""
    file = written(tmp_path, "team.yaml", f"{POLICY}tests:\n  - {{prompt: hi, expect: {expect}}}\n")
    assert run(["policy", "check", file]) == 2
    assert f"{file}:16: {said}" in capsys.readouterr().err


evidence = st.dictionaries(
    st.sampled_from(["EMAIL", "PERSON", "SECRET", "IP", "URL"]),
    st.builds(Evidence, highest=st.floats(0.0, 1.0), confident=st.integers(0, 30)),
)


@settings(max_examples=examples(200))
@given(
    complexity=st.floats(0.0, 1.0),
    class_=st.sampled_from(list(PrivacyClass)),
    team=st.sampled_from(["red", "blue"]),
)
def test_a_record_reproduces_its_decision_bit_for_bit(
    complexity: float, class_: PrivacyClass, team: str
) -> None:
    """What is read back is what was decided on, and the same comes of it."""
    policy = parse_policy(POLICY, name="p")
    report = ended(policy, complexity=complexity, privacy_class=class_, labels={"team": team})
    assert report.decision is not None
    back = recorded(policy, report)

    if policy.records.features_up_to == "public" and class_ is not PrivacyClass.PUBLIC:
        assert report.decision.routing_input is not None
        assert back.routing_input == replace(report.decision.routing_input, features=())
    else:
        assert back.routing_input == report.decision.routing_input
    assert back.state == report.decision.state
    scale_free = replace(back, routing_input=replace(back.routing_input, evidence=None))
    assert not_reproduced(scale_free, policy) == []


@settings(max_examples=examples(300), deadline=None)
@given(text=st.text(st.sampled_from("ab @.-12345678 jane.roe@example.org 4111111111111111 "), max_size=80))
def test_the_class_is_made_again_from_what_was_found(text: str) -> None:
    """Score and class of any text follow from its evidence alone, without the text."""
    policy = parse_policy(POLICY, name="p")
    request = Request(request_id="r", tenant="t", messages=(Message(role=Role.USER, content=text),))
    privacy = PrivacyScorer(policy.privacy, clock=StillClock()).score(request)
    report = ended(policy, evidence=dict(privacy.evidence or {}))
    assert report.decision is not None
    assert report.decision.routing_input is not None
    again = input_under(report.decision.routing_input, policy, policy)
    assert (again.privacy, again.privacy_class) == (privacy.score, privacy.privacy_class)


def test_replay(tmp_path: Path, policy: Policy, capsys: pytest.CaptureFixture[str]) -> None:
    """All the same: 0. A record that another policy wrote is left out; one that was altered is found."""
    file = written(tmp_path, "team.yaml", POLICY)
    honest = [ended(policy, evidence={}, complexity=0.7), ended(policy, evidence={})]
    other = ended(parse_policy(LAX, name="x"))
    path = kept(tmp_path, *[made(each, 0.0) for each in honest], other)
    assert run(["policy", "replay", file, "--on", path]) == 0
    assert "2 the same, 0 different, 1 of other policies, 0 without" in capsys.readouterr().out
    altered = Path(path).read_text().replace('"rule":"hard"', '"rule":"default"')
    Path(path).write_text(altered)
    assert run(["policy", "replay", file, "--on", path]) == 1
    assert f"{path}:3: rule default, now hard" in capsys.readouterr().err


def test_complexity_is_made_again_from_its_features(policy: Policy) -> None:
    """Where features are kept, a complexity that they do not make is found."""
    honest = recorded(policy, ended(policy))
    lied = replace(honest.routing_input, complexity=0.2)
    assert not any(line.startswith("complexity") for line in not_reproduced(honest, policy))
    assert not_reproduced(replace(honest, routing_input=lied), policy)[0].startswith(
        "complexity 0.2, now 0.0"
    )


def made(report: CallReport, privacy: float) -> CallReport:
    """Return a report whose score is what its evidence makes."""
    assert report.decision is not None
    assert report.decision.routing_input is not None
    routing_input = replace(report.decision.routing_input, privacy=privacy, privacy_class=PrivacyClass.PUBLIC)
    return replace(report, decision=replace(report.decision, routing_input=routing_input))


def test_a_label_that_was_not_kept_is_not_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such records are counted, not compared."""
    unkept = POLICY.replace("labels: [team]", "labels: []")
    file = written(tmp_path, "team.yaml", unkept)
    path = kept(tmp_path, ended(parse_policy(unkept, name="p"), labels={"team": "red"}))
    assert run(["policy", "replay", file, "--on", path]) == 1
    assert "0 the same, 0 different, 0 of other policies, 1 without their labels" in capsys.readouterr().out


def test_diff_says_what_goes_elsewhere_and_what_it_costs(
    tmp_path: Path, policy: Policy, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hard prompts that stay home cost nothing any more."""
    old = written(tmp_path, "old.yaml", POLICY)
    new = written(tmp_path, "new.yaml", POLICY.replace("route: [cloud, edge]", "route: [edge, cloud]"))
    path = kept(
        tmp_path, *[ended(policy, complexity=0.7, evidence={}) for _ in range(3)], ended(policy, evidence={})
    )

    assert run(["policy", "diff", old, new, "--on", path]) == 0
    said = capsys.readouterr().out
    assert run(["policy", "diff", old, new, "--on", path, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)

    assert "hard: cloud, edge" in said
    assert (report["requests"], len(report["elsewhere"])) == (4, 3)
    assert report["cost_before_usd"] == pytest.approx(3 * (11 * 1 + 7 * 2) / 1e6)
    assert report["cost_after_usd"] == 0.0


@pytest.mark.parametrize(
    ("class_", "found"), [(PrivacyClass.CONFIDENTIAL, PRIVATE), (PrivacyClass.PUBLIC, {})]
)
def test_diff_is_status_3_where_something_private_would_leave(
    tmp_path: Path,
    policy: Policy,
    capsys: pytest.CaptureFixture[str],
    class_: PrivacyClass,
    found: dict[str, Evidence],
) -> None:
    """Thresholds that rise and a rule that lets go would take a confidential request to the cloud."""
    old, new = written(tmp_path, "old.yaml", POLICY), written(tmp_path, "new.yaml", LAX)
    path = kept(tmp_path, ended(policy, privacy_class=class_, evidence=found))

    status = run(["policy", "diff", old, new, "--on", path])
    said = capsys.readouterr()

    assert status == (3 if found else 0)
    assert (f"{path}:3: confidential: would now reach the cloud: edge, cloud" in said.err) is bool(found)
    assert "looser: " in said.out


def test_a_mask_that_grows_may_let_something_leave(policy: Policy) -> None:
    """Nobody can look at the text again, so the worst is said."""
    masking = POLICY.replace("clearance: internal,", "clearance: internal, mask: [EMAIL],").replace(
        "when: 'privacy_class >= CONFIDENTIAL', route: [edge]",
        "when: 'privacy_class >= CONFIDENTIAL', route: [cloud]",
    )
    private = recorded(policy, ended(policy, privacy_class=PrivacyClass.CONFIDENTIAL, evidence=PRIVATE))
    assert difference(private, policy, parse_policy(masking, name="p")).is_new_to_cloud
    assert not difference(private, policy, policy).is_new_to_cloud


def test_a_file_that_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its line, and without a word of it."""
    file = written(tmp_path, "team.yaml", POLICY)
    for text, said in (
        ("hello\n", "is not JSON"),
        ('{"kind":"request","v":9}\n', "is not a record of version 1"),
    ):
        path = written(tmp_path, "records.jsonl", text)
        assert run(["policy", "replay", file, "--on", path]) == 2
        assert f"{path}:1: {said}" in capsys.readouterr().err
    assert run(["policy", "diff", file, file, "--on", str(tmp_path / "none.jsonl")]) == 2
