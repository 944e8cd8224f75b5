"""Token counts of a provider, believed only where they can be true: an unknown count is charged in full."""

from collections.abc import Mapping

from gateway.backends.openai.bounds import AnswerBounds
from gateway.domain.answer import Usage


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
    if fields is None:
        return None
    prompt, completion = _count(fields.get("prompt_tokens")), _count(fields.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    total = _count(fields.get("total_tokens"))
    if total is not None:
        # Some bill their reasoning beside the completion, and only the total shows it.
        completion = max(completion, total - prompt)
    details = fields.get("completion_tokens_details")
    reasoning = _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None
    is_possible = (
        max(1, bounds.fewest_prompt_tokens) <= prompt <= bounds.prompt_tokens
        and max(fewest_tokens, reasoning or 0) <= completion <= bounds.max_tokens
    )
    return Usage(prompt_tokens=prompt, completion_tokens=completion) if is_possible else None


def larger(one: Usage | None, other: Usage | None) -> Usage | None:
    """Return the larger counts of two for the same answer: neither is known to be the bill."""
    if one is None or other is None:
        return one or other
    return Usage(
        prompt_tokens=max(one.prompt_tokens, other.prompt_tokens),
        completion_tokens=max(one.completion_tokens, other.completion_tokens),
    )


def _fields(body: Mapping[str, object], choice: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Return the object that holds the counts: at the top, as OpenAI has it, or where Groq or Moonshot do."""
    own = body.get("x_groq")
    for holder in (body, own if isinstance(own, dict) else {}, choice or {}):
        usage = holder.get("usage")
        if usage and isinstance(usage, dict):
            return usage
    return None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
