"""`gateway policy test` of conversations: tools and what they returned, and what rules read of it."""

from dataclasses import fields
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.domain.signals import ConversationSignals
from gateway.policy.policy_tests import NamedSignals

POLICY = """\
version: 1
models:
  edge:  {kind: llama_cpp, path: "builtin:demo", clearance: restricted, tools: true}
  cloud: {kind: openai, model: m, clearance: internal, price_per_million_usd: {input: 1, output: 2}}
rules:
  - {name: stuck, when: 'repeated_calls >= 2 || tool_errors_recent >= 2', route: [cloud, edge]}
  - {name: green, when: 'tests_passed', route: [edge]}
  - {name: long, when: 'conversation_tokens > 50000 && turn >= 3', route: [cloud]}
  - {name: asks, when: 'reasoning_effort == "high"', route: [cloud]}
  - {name: stays, when: 'session.model == "cloud" && session.class == INTERNAL', route: [cloud, edge]}
  - {name: default, route: [edge, cloud]}
replies:
  - {id: sorry, text: Sorry.}
tests:
"""
LOOP = """\
  - turns:
      - {role: user, content: Make the tests pass}
      - {role: tool, tool: run_tests, arguments: {path: src}, content: 2 failed, is_error: true}
      - {role: assistant, content: I try again.}
      - {role: tool, tool: run_tests, arguments: {path: src}, content: 2 failed, is_error: true}
    expect:
      rule: stuck
      route: [cloud, edge]
      signals: {turn: 1, tool_calls: 2, repeated_calls: 1, has_tool_results: true, tool_errors_recent: 2}
"""


def verdict(tmp_path: Path, tests: str, command: str = "test") -> int:
    """Run `gateway policy test`, or another command, on the policy with these tests."""
    path = tmp_path / "p.yaml"
    path.write_text(POLICY + tests)
    return run(["policy", command, str(path)])


@pytest.mark.parametrize(
    "test",
    [
        LOOP,
        """\
  - turns:
      - {role: tool, tool: run_tests, content: 3 passed in 0.12s}
    expect: {rule: green, signals: {tests_passed: true, has_tool_results: true, last_tool_error: false}}
""",
        """\
  - prompt: And now?
    turns: [{role: tool, arguments: {a: 1}}, {role: tool, arguments: {a: 2}}]
    expect: {rule: default, signals: {tool_calls: 2, repeated_calls: 0, has_tool_results: false}}
""",
        """\
  - prompt: Go on
    state: {signals: {turn: 12, conversation_tokens: 64000}}
    expect: {rule: long, first: cloud, signals: {turn: 12}}
""",
        "  - {prompt: Prove it, effort: high, expect: {rule: asks, signals: {reasoning_effort: high}}}\n",
        """\
  - prompt: hello
    state: {session_model: cloud, session_class: internal}
    expect: {rule: stays, class: internal}
""",
        "  - {prompt: hi, state: {session_class: restricted}, expect: {class: restricted, never: [cloud]}}\n",
    ],
)
def test_a_conversation_is_decided_by_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], test: str
) -> None:
    """Calls, results and errors of tools, signals that are given, effort, and what the session knows."""
    assert verdict(tmp_path, test) == 0, capsys.readouterr().err


def test_what_is_otherwise_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each signal and the whole route, as a rule would write them."""
    wrong = LOOP.replace("repeated_calls: 1", "repeated_calls: 3").replace(
        "has_tool_results: true", "has_tool_results: false"
    )
    assert verdict(tmp_path, wrong.replace("route: [cloud, edge]", "route: [edge]")) == 1
    said = capsys.readouterr().err
    for line in (
        "route is [cloud, edge], expected [edge]",
        "repeated_calls is 1, expected 3",
        "has_tool_results is true, expected false",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("{expect: {rule: green}}", "tests[0]: has no prompt"),
        ("{turns: [{role: user, content: hi}], expect: {rule: green}}", "tests[0]: has no prompt"),
        (
            "{prompt: hi, turns: [{role: user, is_error: true}], expect: {rule: green}}",
            "tests[0].turns[0]: tool, arguments and is_error are of role tool, not user",
        ),
        ("{prompt: hi, expect: {route: [clowd]}}", "expect.route[0]: unknown model 'clowd' (did you mean"),
        (
            "{prompt: hi, expect: {signals: {turns: 2}}}",
            "expect.signals.turns: unknown key (did you mean 'turn'",
        ),
        (
            "{prompt: hi, state: {session_model: egde}, expect: {rule: green}}",
            "state.session_model: unknown model",
        ),
    ],
)
def test_what_can_be_no_conversation_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], test: str, said: str
) -> None:
    """With the line and the key, before anything is decided."""
    assert verdict(tmp_path, f"  - {test}\n", "check") == 2
    assert said in capsys.readouterr().err


def test_a_test_can_name_every_signal() -> None:
    """A signal that rules can read can be given and expected."""
    assert set(NamedSignals.model_fields) == {each.name for each in fields(ConversationSignals)}
