"""What rules see of a conversation: counts of calls and errors, and what a run of tests said."""

import pytest

from gateway.domain.conversation import (
    Message,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.domain.request import GenerationConfig, Request
from gateway.domain.signals import ConversationSignals, signals_of


def signals(*messages: Message, config: GenerationConfig | None = None) -> ConversationSignals:
    """Return what rules see of a conversation."""
    request = Request(request_id="r", tenant="t", messages=messages, config=config or GenerationConfig())
    return signals_of(request)


def asked(arguments: str = "{}") -> Message:
    """Return a call of one tool."""
    call = ToolCall(id="call_1", name="run", arguments_json=arguments)
    return Message(role=Role.ASSISTANT, parts=(call,))


def returned(text: str = "", *, is_error: bool = False) -> Message:
    """Return what a tool returned."""
    result = ToolResult(tool_call_id="call_1", parts=(Text(text),), is_error=is_error)
    return Message(role=Role.TOOL, parts=(result,))


QUESTION = Message(role=Role.USER, content="12345678")


def test_calls_and_errors_are_counted() -> None:
    """Repeats are the same name and arguments; of errors the last three results count."""
    seen = signals(
        Message(role=Role.SYSTEM, content="not counted"),
        QUESTION,
        *(asked(), returned(is_error=True), asked('{"a": 1}'), returned(is_error=True)),
        *(asked(), returned(), asked(), returned(is_error=True)),
    )
    assert (seen.turn, seen.tool_calls, seen.repeated_calls, seen.tool_errors_recent) == (1, 4, 2, 2)
    assert (seen.has_tool_results, seen.last_tool_error) == (True, True)


def test_without_tools_nothing_is_seen_of_them() -> None:
    """The size is that of what is said, without the system's; effort is the caller's word."""
    config = GenerationConfig(reasoning=ReasoningConfig(effort=ReasoningEffort.LOW))
    seen = signals(Message(role=Role.SYSTEM, content="x" * 99), QUESTION, config=config)
    assert seen == ConversationSignals(turn=1, conversation_tokens=2, reasoning_effort="low")


@pytest.mark.parametrize(
    "text",
    [
        "===== 41 passed, 2 skipped in 3.10s =====",
        "test result: ok. 9 passed; 0 failed; 0 ignored",
        "Ran 7 tests in 0.004s\n\nOK",
        "OK (7 tests, 12 assertions)",
        "ok  \texample.org/a/b\t0.412s",
        "Tests:       12 passed, 12 total",
        "  8 passing (31ms)",
        "5 examples, 0 failures",
        "BUILD SUCCESSFUL in 4s",
    ],
)
def test_tests_passed(text: str) -> None:
    """The end of a run of the usual runners says so, until a later result says otherwise."""
    assert signals(QUESTION, asked(), returned(text)).tests_passed
    assert not signals(
        QUESTION, asked(), returned(text), asked(), returned("1 failed, 3 passed")
    ).tests_passed
    assert not signals(QUESTION, asked(), returned(text, is_error=True)).tests_passed


@pytest.mark.parametrize(
    "text",
    [
        "2 failed, 39 passed in 3s", "FAILED (failures=1)", "test result: FAILED. 1 passed; 2 failed",
        "FAIL\texample.org/a\t0.1s", "Tests:  3 failed, 12 passed, 15 total", "3 passing\n1 failing",
        "0 passed", "the train passed the station", "",
    ],
)  # fmt: skip
def test_tests_did_not_pass(text: str) -> None:
    """A failure beside passes counts, and so does silence."""
    assert not signals(QUESTION, asked(), returned(text)).tests_passed
