"""The answers of the simulated provider: a pure function of model and messages, with token counts."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.simulate.messages import MadeCall, SentMessage
from gateway.simulate.schema import minimal_instance
from gateway.simulate.tools import ToolUse, calls_for, results_of

TOKENS_PER_MESSAGE = 4
"""Tokens counted for the role and the delimiters of a message."""
TOKENS_PER_PROMPT = 3
"""Tokens counted once for the start of the answer."""
TOKENS_PER_TOOL = 4
"""Tokens counted for the delimiters of a tool."""
TOKENS_PER_ATTACHMENT = 85
"""Tokens counted for an image, a file or a sound: OpenAI's count for an image of low detail."""
THOUGHT_TOKENS: Mapping[str, int] = {
    "none": 0, "minimal": 4, "low": 8, "medium": 16, "high": 32, "xhigh": 64,
}  # fmt: skip
"""How many tokens the model thinks before it answers, by the effort that was asked for."""
LONGEST_QUOTE = 200
"""Characters of a tool's result that an answer repeats."""

_TOKEN = re.compile(r"\s*\w+|\s*[^\w\s]|\s+")
_PADDING = " and", " so", " on", ","


def tokenize(text: str) -> list[str]:
    """Split `text` into tokens: a word or a single punctuation mark, with the white space before it.

    The joined tokens are the text; there are never more tokens than characters.
    """
    return _TOKEN.findall(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What an answer depends on, and its limits."""

    model: str
    messages: tuple[SentMessage, ...]
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    schema: object | None = None
    tool_use: ToolUse = field(default_factory=ToolUse)
    effort: str = "none"
    """How hard to think; one of `THOUGHT_TOKENS`."""

    def tokens(self) -> int:
        """Return the tokens of the prompt: messages, tools and schema, and a fixed number once."""
        schema = 0 if self.schema is None else len(tokenize(_compact(self.schema)))
        return TOKENS_PER_PROMPT + sum(self.block_tokens()) + schema

    def block_tokens(self) -> list[int]:
        """Return the tokens of the tools, and of each message: what a cache of prompts holds."""
        tools = TOKENS_PER_TOOL * len(self.tool_use.tools) + sum(map(_count, self.tool_use.texts()))
        return [tools, *map(_message_tokens, self.messages)]

    def blocks(self) -> list[str]:
        """Return what tells the tools, and each message, from others."""
        return [_compact(self.tool_use.texts()), *(_compact(each.identity()) for each in self.messages)]


def _count(text: str) -> int:
    return len(tokenize(text))


def _message_tokens(message: SentMessage) -> int:
    extra = TOKENS_PER_MESSAGE * len(message.calls) + TOKENS_PER_ATTACHMENT * message.attachments
    return TOKENS_PER_MESSAGE + extra + sum(map(_count, message.texts()))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerToken:
    """One token of an answer; one of kind `call` has the whole name of the tool that is called."""

    kind: Literal["thought", "text", "refusal", "call", "arguments"]
    text: str
    call: int = 0
    """Which of the calls it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """An answer as tokens, with the finish reason `stop`, `length` or `tool_calls`."""

    tokens: tuple[AnswerToken, ...]
    finish_reason: str
    calls: tuple[MadeCall, ...] = ()
    """The calls of tools, whole; of one that was cut the tokens have less."""
    stop: str | None = None
    """The stop string that ended it."""

    def text(self) -> str:
        """Return the text, without thoughts and calls."""
        return "".join(token.text for token in self.tokens if token.kind == "text")


def complete(prompt: Prompt, *, length: int | None = None) -> Completion:
    """Return the answer to `prompt`, with a text of `length` tokens if set.

    Raises ValueError for an unusable schema, ChatError for an unusable schema of a tool.
    """
    thoughts = _padded([], THOUGHT_TOKENS[prompt.effort])
    tokens = [AnswerToken(kind="thought", text=text) for text in thoughts]
    calls = calls_for(prompt.tool_use, prompt.messages) if length is None else ()
    for i, call in enumerate(calls):
        tokens.append(AnswerToken(kind="call", text=call.name, call=i))
        pieces = tokenize(call.arguments)
        tokens += [AnswerToken(kind="arguments", text=piece, call=i) for piece in pieces]
    stop: str | None = None
    if not calls:
        text, stop = _text(prompt, length)
        tokens += [AnswerToken(kind="text", text=piece) for piece in tokenize(text)]
    if prompt.max_tokens is not None and len(tokens) > prompt.max_tokens:
        return Completion(tokens=tuple(tokens[: prompt.max_tokens]), finish_reason="length", calls=calls)
    reason = "tool_calls" if calls else "stop"
    return Completion(tokens=tuple(tokens), finish_reason=reason, calls=calls, stop=stop)


def refusing(completion: Completion) -> Completion:
    """Return an answer whose text is words of refusal."""
    tokens = (
        replace(token, kind="refusal") if token.kind == "text" else token for token in completion.tokens
    )
    return replace(completion, tokens=tuple(tokens))


def _text(prompt: Prompt, length: int | None) -> tuple[str, str | None]:
    """Return the text, and the stop string that ended it."""
    text = _sentence(prompt) if prompt.schema is None else _compact(minimal_instance(prompt.schema))
    if length is not None:
        text = "".join(_padded(tokenize(text), length))
    return _until_stop(text, prompt.stop)


def _sentence(prompt: Prompt) -> str:
    *before, last = prompt.messages
    if last.role == "assistant" and before:
        return _rest(replace(prompt, messages=tuple(before)), last.content)
    results = results_of(prompt.messages)
    if results:
        return f"The tools say: {'; '.join(result[:LONGEST_QUOTE] for result in results)}."
    identities = [message.identity() for message in prompt.messages]
    digest = hashlib.sha256(_compact([prompt.model, *identities]).encode()).hexdigest()[:8]
    count = len(prompt.messages)
    return (
        f"This is {prompt.model}, a simulated model. It was sent {count} message{'s' if count > 1 else ''}, "
        f"{prompt.tokens()} tokens in all; their digest is {digest}."
    )


def _rest(prompt: Prompt, start: str) -> str:
    """Return the continuation of an answer: the rest of this model's own, or another one."""
    whole = _sentence(prompt)
    if whole.startswith(start):
        return whole.removeprefix(start)
    digest = hashlib.sha256(_compact([prompt.model, start]).encode()).hexdigest()[:8]
    return f", and {prompt.model} goes on after {len(tokenize(start))} tokens; their digest is {digest}."


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _padded(tokens: Sequence[str], length: int) -> list[str]:
    missing = max(0, length - len(tokens))
    return [*tokens[:length], *(_PADDING[i % len(_PADDING)] for i in range(missing))]


def _until_stop(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    ends = [(at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not ends:
        return text, None
    at, stop = min(ends)
    return text[:at], stop
