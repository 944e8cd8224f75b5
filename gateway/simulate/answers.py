"""The answers of the simulated provider: a pure function of model and messages, with token counts."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.simulate.schema import minimal_instance

TOKENS_PER_MESSAGE = 4
"""Tokens counted for the role and the delimiters of a message."""
TOKENS_PER_PROMPT = 3
"""Tokens counted once for the start of the answer."""

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
    messages: tuple[tuple[str, str], ...]
    """(role, content) of each message."""
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    schema: object | None = None

    def tokens(self) -> int:
        """Return the tokens of the prompt: contents and schema, and a fixed number for each message and
        once."""
        counted = sum(TOKENS_PER_MESSAGE + len(tokenize(content)) for _, content in self.messages)
        schema = 0 if self.schema is None else len(tokenize(_compact(self.schema)))
        return TOKENS_PER_PROMPT + counted + schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """An answer as tokens, with the finish reason `stop` or `length`."""

    tokens: tuple[str, ...]
    finish_reason: str


def complete(prompt: Prompt, *, length: int | None = None) -> Completion:
    """Return the answer to `prompt`, of `length` tokens if set; raises ValueError for an unusable schema."""
    text = _sentence(prompt) if prompt.schema is None else _compact(minimal_instance(prompt.schema))
    if length is not None:
        text = "".join(_padded(tokenize(text), length))
    tokens = tokenize(_until_stop(text, prompt.stop))
    if prompt.max_tokens is not None and len(tokens) > prompt.max_tokens:
        return Completion(tokens=tuple(tokens[: prompt.max_tokens]), finish_reason="length")
    return Completion(tokens=tuple(tokens), finish_reason="stop")


def _sentence(prompt: Prompt) -> str:
    *before, (role, start) = prompt.messages
    if role == "assistant" and before:
        return _rest(replace(prompt, messages=tuple(before)), start)
    digest = hashlib.sha256(_compact([prompt.model, *prompt.messages]).encode()).hexdigest()[:8]
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


def _until_stop(text: str, stop: Sequence[str]) -> str:
    ends = [at for at in (text.find(s) for s in stop) if at >= 0]
    return text[: min(ends)] if ends else text
