"""What rules see of a conversation beside its scores: pure functions of a request."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from gateway.domain.conversation import Message, Role, Text, ToolResult
from gateway.domain.quick_init import quick_init
from gateway.domain.request import Request

RECENT = 3
"""How many results of tools are recent."""
READ_CHARS = 4096
"""How much of the end of a result is read for what a run of tests says."""
_PASSED = re.compile(
    r"\b[1-9]\d* (?:tests? )?pass(?:ed|ing)\b|\ball tests pass|\btest result: ok\b|^OK(?: \(|$)"
    r"|\bexamples?, 0 failures|\bBUILD SUCCESSFUL\b|^ok\s+\S+\s+[\d.]+s",
    re.IGNORECASE | re.MULTILINE,
)
_FAILED = re.compile(
    r"\b[1-9]\d* (?:tests? )?(?:fail(?:ed|ing|ures?)|errors?)\b|\bFAILED\b|^FAIL\b", re.MULTILINE
)
"""What pytest, cargo, Go, Jest, Mocha, unittest, PHPUnit, RSpec and Gradle write at the end of a run."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSignals:
    """The names are those of the CEL variables."""

    tools_offered: int = 0
    has_images: bool = False
    """Whether there are images or files."""
    is_embedding: bool = False
    """Whether vectors are asked for, and no answer."""
    turn: int = 0
    """How many messages of the user there are; 1 at the beginning."""
    conversation_tokens: int = 0
    """An estimate of all messages but those of the system."""
    tool_calls: int = 0
    """How many calls of tools the conversation holds."""
    repeated_calls: int = 0
    """How many of them repeat an earlier one, name and arguments."""
    has_tool_results: bool = False
    """Whether the last message brings results of tools: a model waits for them."""
    last_tool_error: bool = False
    """Whether the last result is an error."""
    tool_errors_recent: int = 0
    """How many of the last three results are errors."""
    tests_passed: bool = False
    """Whether the latest of the last three results that speaks of tests says that they passed."""
    reasoning_effort: str = ""
    """What the caller asks for: none, minimal, low, medium, high, xhigh; "": nothing."""

    def values(self) -> dict[str, int | bool | str]:
        """Return all of them by their names."""
        return {name: getattr(self, name) for name in self.__slots__}


NO_SIGNALS = ConversationSignals()


def signals_of(request: Request) -> ConversationSignals:
    """Return what rules see of a request."""
    messages = request.messages
    in_parts = [message for message in messages if message.parts]
    calls = [
        (call.name, call.arguments_json, call.input) for message in in_parts for call in message.tool_calls
    ]
    recent = list(islice(_latest_results(in_parts), RECENT))
    effort = request.config.reasoning.effort
    return ConversationSignals(
        tools_offered=len(request.config.tools),
        has_images=any(next(message.unreadable_parts, None) is not None for message in in_parts),
        is_embedding=request.embedding is not None,
        turn=[message.role for message in messages].count(Role.USER),
        conversation_tokens=-(-sum(map(_bytes_of, messages)) // 4),
        tool_calls=len(calls),
        repeated_calls=len(calls) - len(set(calls)),
        has_tool_results=bool(messages) and bool(messages[-1].tool_results),
        last_tool_error=bool(recent) and recent[0].is_error,
        tool_errors_recent=sum(result.is_error for result in recent),
        tests_passed=_tests_passed(recent),
        reasoning_effort="" if effort is None else str(effort),
    )


def _latest_results(messages: Sequence[Message]) -> Iterable[ToolResult]:
    """Yield the results of tools, the last one first."""
    for message in reversed(messages):
        yield from reversed(message.tool_results)


def _bytes_of(message: Message) -> int:
    """Return how many UTF-8 bytes a message has, those of the system none."""
    if message.role is Role.SYSTEM:
        return 0
    if not message.parts:
        return _utf8(message.content)
    calls = sum(_utf8(each.name + each.arguments_json + each.input) for each in message.tool_calls)
    parts = (*message.parts, *(part for result in message.tool_results for part in result.parts))
    return calls + sum(_utf8(part.text) for part in parts if isinstance(part, Text))


def _utf8(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _tests_passed(latest: Iterable[ToolResult]) -> bool:
    """Say what the latest result that speaks of tests says."""
    for result in latest:
        ends = [part.text[-READ_CHARS:] for part in result.parts if isinstance(part, Text)]
        if any(map(_FAILED.search, ends)):
            return False
        if any(map(_PASSED.search, ends)):
            return not result.is_error
    return False
