"""Whether a model says the same twice: short samples beside an answer, and what each of them comes to.

The samples begin when the engine has read the prompt for the answer, so that they share its prefix and are
decoded in the same batches.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Self

from gateway.backends.base import Backend, Call
from gateway.domain.answer import Chunk, FinishReason
from gateway.domain.assembly import Assembly
from gateway.domain.conversation import ReasoningConfig, ReasoningEffort
from gateway.errors import BackendError
from gateway.policy.escalation import Agreement
from gateway.tasks import child

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w)")
_LETTER = re.compile(
    r"\s*\(?([A-J])(?:[).:]|\s*$)|\b(?:answer|option|choice)(?:\s+is)?\s*:?\s*\(?([A-J])\b(?!')",
)
_WORD = re.compile(r"\w+")


def answer_key(answer: Assembly) -> str:
    """Return what an answer comes to, for comparison; "" for one that comes to nothing.

    Calls of tools by name and arguments, JSON by value, else the letter of an option, the last number, or all
    words. The last word of a text that was cut is left out: it may be half of one.
    """
    said = answer.chunk()
    if said.tool_calls:
        return json.dumps([(each.name, _canonical(each.arguments_json)) for each in said.tool_calls])
    text = said.text.strip()
    if said.finish_reason not in (FinishReason.STOP, FinishReason.STOP_SEQUENCE):
        text = text.rpartition(" ")[0]
    if text[:1] in ("{", "["):
        return _canonical(text)
    if letter := _LETTER.match(text) or _LETTER.search(text):
        return f"option {letter[1] or letter[2]}"
    if numbers := _NUMBER.findall(text):
        return f"number {_plain(numbers[-1])}"
    return " ".join(_WORD.findall(text.casefold()))


def tokens_of(chunks: Iterable[Chunk]) -> int:
    """Return how many tokens pieces of an answer have, at least."""
    return sum(each.pieces for each in chunks if each.has_output)


def held_back(chunks: Iterable[Chunk], tokens: int) -> list[Chunk]:
    """Return the pieces of an answer that are compared: those until it has so many tokens, or ends."""
    held: list[Chunk] = []
    for chunk in chunks:
        held.append(chunk)
        if tokens_of(held) >= tokens:
            break
    return held


def _canonical(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def _plain(number: str) -> str:
    try:
        return format(Decimal(number.replace(",", "")).normalize(), "f")
    except InvalidOperation:
        return number


def agreement(key: str, others: Sequence[str]) -> float | None:
    """Return the share of all answers that come to the same as the one that would be given, itself included.

    None: there is nothing to compare.
    """
    told = [each for each in others if each]
    if not key or not told:
        return None
    return (1 + told.count(key)) / (1 + len(told))


class Samples:
    """The samples beside one answer; a context that ends those that are not needed any more."""

    def __init__(self, backend: Backend, call: Call, asked: Agreement) -> None:
        self._backend = backend
        self._tokens = [0] * (asked.samples - 1)
        self._calls = [_sample_call(call, asked, number) for number in range(1, asked.samples)]
        self._tasks: list[asyncio.Task[str]] = []

    @property
    def tokens(self) -> int:
        """How many tokens they have so far."""
        return sum(self._tokens)

    async def keys(self, timeout_s: float) -> list[str]:
        """Return what those come to that are there in time; one that failed is left out."""
        done, _ = await asyncio.wait(self._tasks, timeout=max(0.0, timeout_s))
        return [task.result() for task in self._tasks if task in done]

    async def __aenter__(self) -> Self:
        self._tasks = [
            child(self._draw(number, call), name=f"sample of {self._backend.name}")
            for number, call in enumerate(self._calls)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _draw(self, number: int, call: Call) -> str:
        answer = Assembly()
        chunks = self._backend.stream(call)
        try:
            async for chunk in chunks:
                answer.add(chunk)
                self._tokens[number] += chunk.pieces if chunk.has_output else 0
                if chunk.finish_reason is not None and chunk.usage is not None:
                    self._tokens[number] = chunk.usage.completion_tokens
        except BackendError:
            return ""  # The answer itself is not to blame.
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        return answer_key(answer)


def _sample_call(call: Call, asked: Agreement, number: int) -> Call:
    """Return the call of a sample: short, without reasoning, and by chance where the answer may not be."""
    config = call.request.config
    drawn = replace(
        config,
        temperature=asked.temperature,
        seed=None if config.seed is None else config.seed + number,
        reasoning=ReasoningConfig(effort=ReasoningEffort.NONE),
        top_logprobs=None,
    )
    return replace(
        call,
        request=replace(call.request, config=drawn),
        max_tokens=min(call.max_tokens, asked.max_tokens),
        escalate=None,
    )
