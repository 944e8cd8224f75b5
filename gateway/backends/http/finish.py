"""What a provider's word for the end of an answer means: one table, and the words that it is made of."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from gateway.domain.answer import FinishReason

FAILED: Final = "FAILED"
"""The answer was not finished: whatever came of it is a part."""
UNKNOWN: Final = "UNKNOWN"
"""Some reason that nobody has told us of; the answer ended, so it is taken for STOP."""
FinishMeaning = FinishReason | Literal["FAILED", "UNKNOWN"]

WORDS: Mapping[str, FinishMeaning] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "stop_token": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "end": FinishReason.STOP,
    "complete": FinishReason.STOP,
    "completed": FinishReason.STOP,
    "done": FinishReason.STOP,
    "finished": FinishReason.STOP,
    "success": FinishReason.STOP,
    "normal": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "stop_str": FinishReason.STOP_SEQUENCE,
    "stop_string": FinishReason.STOP_SEQUENCE,
    "stop_word": FinishReason.STOP_SEQUENCE,
    "stop_words": FinishReason.STOP_SEQUENCE,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "max_token": FinishReason.LENGTH,
    "max_new_tokens": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "max_completion_tokens": FinishReason.LENGTH,
    "max_length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "context_length": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "token_limit": FinishReason.LENGTH,
    "incomplete": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
    "sensitive": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.CONTENT_FILTER,
    "recitation": FinishReason.CONTENT_FILTER,
    "language": FinishReason.CONTENT_FILTER,
    "blocklist": FinishReason.CONTENT_FILTER,
    "prohibited_content": FinishReason.CONTENT_FILTER,
    "spii": FinishReason.CONTENT_FILTER,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "error_toxic": FinishReason.CONTENT_FILTER,
    "tool_calls": FinishReason.TOOL_CALLS,
    "tool_call": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "error": FAILED,
    "network_error": FAILED,
    "abort": FAILED,
    "cancelled": FAILED,
    "insufficient_system_resource": FAILED,
    "malformed_function_call": FAILED,
    "unexpected_tool_call": FAILED,
    "error_limit": FAILED,
}
"""By the word in small letters with `_` between its parts; no provider's own table is at hand."""

PARTS: tuple[tuple[FinishMeaning, frozenset[str]], ...] = (
    (FinishReason.CONTENT_FILTER, frozenset({
        "filter", "filtered", "safety", "moderation", "moderated", "blocked", "blocklist", "prohibited",
        "sensitive", "guardrail", "guardrails", "flagged", "toxic", "toxicity", "violation", "refusal",
    })),
    (FAILED, frozenset({
        "error", "errors", "fail", "failed", "failure", "abort", "aborted", "cancel", "cancelled", "canceled",
        "timeout", "timed", "interrupted", "interrupt", "insufficient", "malformed", "overloaded", "crashed",
        "disconnect", "disconnected", "exception", "killed", "preempted", "unavailable", "invalid",
        "unexpected",
    })),
    (FinishReason.LENGTH, frozenset({"length", "max", "maximum", "limit", "truncated"})),
    (FinishReason.STOP_SEQUENCE, frozenset({"sequence"})),
    (FinishReason.TOOL_CALLS, frozenset({"tool", "tools", "function", "functions"})),
    (FinishReason.STOP, frozenset({"stop", "stopped", "eos", "end", "complete", "completed", "finished"})),
)  # fmt: skip
"""For a word that is not in the table: by its parts, the first row that has one of them."""

_NO_WORDS = frozenset({"", "null", "none", "undefined", "unspecified"})
"""How some say that the answer goes on."""
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^a-z0-9]+")
_LONGEST_WORD = 100
"""Characters; no reason is longer, and what follows is not looked at."""


def ending_of(word: str) -> FinishMeaning | None:
    """Return what a `finish_reason` says; None if it says that the answer goes on."""
    small = _BETWEEN.sub("_", _CAPITAL.sub("_", word[:_LONGEST_WORD].strip()).lower()).strip("_")
    small = small.removeprefix("finish_reason_")
    if small in _NO_WORDS:
        return None
    if small in WORDS:
        return WORDS[small]
    parts = set(small.split("_"))
    return next((ending for ending, words in PARTS if words & parts), UNKNOWN)


def finish_words(said: Mapping[str, str]) -> Mapping[str, FinishMeaning]:
    """Return what a policy says of a provider's own words, by the word in small letters."""
    return {
        word.lower(): FAILED if meaning == "failed" else FinishReason[meaning.upper()]
        for word, meaning in said.items()
    }
