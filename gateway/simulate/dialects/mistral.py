"""Mistral."""

from typing import Final

from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json

UNKNOWN_FIELD: Final = 422
"""The HTTP status for a field of a request that is not known."""


def _usage(counts: BilledTokens) -> Json:
    return {
        "prompt_tokens": counts.prompt.total,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt.total + counts.completion,
    }


def _error(error: ChatError) -> object:
    """Return an error whose message is an object for a field that is wrong, and else a text."""
    detail = [{"type": "extra_forbidden", "loc": ["body", error.param], "msg": str(error)}]
    return {
        "object": "error",
        "message": {"detail": detail} if error.status == UNKNOWN_FIELD else str(error),
        "type": "internal_server_error" if error.status >= 500 else "invalid_request_error",
        "param": None,
        "code": error.code,
    }


MISTRAL = Dialect(
    thoughts="parts",
    call_id=("", 9),
    checks_call_ids=True,
    has_whole_calls=True,
    usage_place="finish_event",
    is_usage_unasked=True,
    usage=_usage,
    error=_error,
    unknown_field_status=UNKNOWN_FIELD,
    fields=frozenset((
        "random_seed", "safe_prompt", "prompt_mode", "prediction", "metadata", "min_tokens",
        "repetition_penalty", "prompt_cache_key", "service_tier", "guardrails",
    )),
    refused_fields=frozenset((
        "stream_options", "max_completion_tokens", "seed", "logit_bias", "top_logprobs", "user",
    )),
)  # fmt: skip
