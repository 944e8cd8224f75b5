"""Mistral."""

from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json


def _usage(counts: BilledTokens) -> Json:
    return {
        "prompt_tokens": counts.prompt.total,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt.total + counts.completion,
    }


def _error(error: ChatError) -> object:
    detail = [{"type": "value_error", "loc": ["body", error.param], "msg": str(error)}]
    return {
        "object": "error",
        "message": {"detail": detail},
        "type": "invalid_request_error",
        "param": None,
        "code": error.code,
    }


MISTRAL = Dialect(
    thoughts="parts",
    call_id=("", 9),
    checks_call_ids=True,
    has_whole_calls=True,
    finish_words={"length": "model_length"},
    usage_place="finish_event",
    is_usage_unasked=True,
    usage=_usage,
    error=_error,
    unknown_field_status=422,
    fields=frozenset(("random_seed", "safe_prompt")),
    refused_fields=frozenset((
        "stream_options", "max_completion_tokens", "seed", "logit_bias", "logprobs", "top_logprobs", "user",
    )),
)  # fmt: skip
