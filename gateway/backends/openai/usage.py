"""Token counts of a provider, believed only where they can be true: an unknown count is charged in full.

Whatever the dialect, the prompt includes what was read from or written to a cache, and the completion
includes what the model thought.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.backends.http.bounds import AnswerBounds
from gateway.domain.answer import Usage

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Names:
    """Where the providers write one count: the first that holds more than zero, else zero if one does."""

    paths: tuple[Path, ...]

    def of(self, fields: Mapping[str, object]) -> int | None:
        found = [count for path in self.paths if (count := _count(_at(fields, path))) is not None]
        return next((count for count in found if count), 0 if found else None)


_PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_COMPLETION_DETAILS = ("completion_tokens_details", "output_tokens_details")
PROMPT = _Names((("prompt_tokens",), ("input_tokens",)))
COMPLETION = _Names((("completion_tokens",), ("output_tokens",)))
CACHED = _Names((
    *((details, "cached_tokens") for details in _PROMPT_DETAILS),
    ("prompt_cache_hit_tokens",),  # DeepSeek.
    ("cache_read_input_tokens",),  # Anthropic's name; LiteLLM.
    ("cached_tokens",),  # Moonshot.
))  # fmt: skip
WRITTEN = _Names((
    *((details, "cache_write_tokens") for details in _PROMPT_DETAILS),
    *((details, "cache_creation_tokens") for details in _PROMPT_DETAILS),
    ("cache_creation_input_tokens",),
))  # fmt: skip
REASONING = _Names((
    *((details, "reasoning_tokens") for details in _COMPLETION_DETAILS),
    ("reasoning_tokens",),
))  # fmt: skip


def has_usage(body: Mapping[str, object], choice: Mapping[str, object] | None) -> bool:
    """Say whether token counts stand in an answer or an event, be they true or not."""
    return _fields(body, choice) is not None


def read_usage(
    body: Mapping[str, object],
    choice: Mapping[str, object] | None,
    *,
    bounds: AnswerBounds,
    fewest_tokens: int,
) -> Usage | None:
    """Return the counts of an answer; None where there are none to be believed.

    What the model said and thought has at least `fewest_tokens`.
    """
    fields = _fields(body, choice)
    usage = None if fields is None else _usage(fields)
    if usage is None:
        return None
    is_possible = (
        max(1, bounds.fewest_prompt_tokens) <= usage.prompt_tokens <= bounds.prompt_tokens
        and max(fewest_tokens, usage.reasoning_tokens) <= usage.completion_tokens <= bounds.max_tokens
    )
    return usage if is_possible else None


def _usage(fields: Mapping[str, object]) -> Usage | None:
    prompt, completion = PROMPT.of(fields), COMPLETION.of(fields)
    if prompt is None or completion is None:
        return None
    cached, written, reasoning = CACHED.of(fields) or 0, WRITTEN.of(fields) or 0, REASONING.of(fields)
    if cached + written > prompt:
        prompt += cached + written  # Anthropic counts them beside the prompt.
    total = _count(fields.get("total_tokens"))
    if total is not None and total - prompt > completion:
        # xAI counts reasoning beside the completion, Gemini in the total alone.
        reasoning = max(reasoning or 0, total - prompt - completion)
        completion = total - prompt
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_prompt_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning or 0,
    )


def larger(one: Usage | None, other: Usage | None) -> Usage | None:
    """Return the larger counts of two for the same answer: neither is known to be the bill.

    What was read from a cache costs less, so it counts only as far as both that tell of it agree.
    """
    if one is None or other is None:
        return one or other
    cached = sorted((one.cached_prompt_tokens, other.cached_prompt_tokens))
    return replace(
        one,
        prompt_tokens=max(one.prompt_tokens, other.prompt_tokens),
        completion_tokens=max(one.completion_tokens, other.completion_tokens),
        cached_prompt_tokens=cached[0] or cached[1],
        cache_write_tokens=max(one.cache_write_tokens, other.cache_write_tokens),
        reasoning_tokens=max(one.reasoning_tokens, other.reasoning_tokens),
    )


def _fields(body: Mapping[str, object], choice: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Return the object that holds the counts: at the top, as OpenAI has it, or where Groq or Moonshot do."""
    own = body.get("x_groq")
    for holder in (body, own if isinstance(own, dict) else {}, choice or {}):
        usage = holder.get("usage")
        if usage and isinstance(usage, dict):
            return usage
    return None


def _at(fields: Mapping[str, object], path: Path) -> object:
    value: object = fields
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
