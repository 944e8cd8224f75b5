"""Token counts of a provider, believed only where they can be true: an unknown count is charged in full."""

from collections.abc import Mapping

from gateway.backends.openai.bounds import TOKEN_CHARS, AnswerBounds
from gateway.types import Usage


def has_usage(body: Mapping[str, object], choice: Mapping[str, object] | None) -> bool:
    """Say whether token counts stand in an answer or an event, be they true or not."""
    return _fields(body, choice) is not None


def read_usage(
    body: Mapping[str, object],
    choice: Mapping[str, object] | None,
    *,
    bounds: AnswerBounds,
    text_chars: int,
    has_spoken: bool,
) -> Usage | None:
    """Return the counts of an answer of which `text_chars` came; None where there are none to be believed.

    `has_spoken`: whether the model said or thought anything at all.
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
        0 < prompt <= bounds.prompt_tokens
        and has_spoken <= completion <= bounds.max_tokens
        and (reasoning or 0) <= completion
        and bounds.prompt_chars <= prompt * TOKEN_CHARS
        and text_chars <= completion * TOKEN_CHARS
    )
    return Usage(prompt_tokens=prompt, completion_tokens=completion) if is_possible else None


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
