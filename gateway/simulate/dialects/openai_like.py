"""Azure, Groq and OpenRouter: hosts of models that add to OpenAI's form, and take from it."""

from typing import Final

from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json, openai_usage

_OPENROUTER_TYPES: Final = {
    400: "invalid_request", 401: "authentication", 402: "payment_required", 403: "content_policy_violation",
    404: "not_found", 408: "timeout", 429: "rate_limit_exceeded", 502: "provider_unavailable",
    503: "provider_overloaded",
}  # fmt: skip


def _openrouter_usage(counts: BilledTokens) -> Json:
    return {**openai_usage(counts), "cost": 0.0, "is_byok": False}


def _openrouter_error(error: ChatError) -> object:
    """Return an error whose code is the HTTP status."""
    metadata = {"error_type": _OPENROUTER_TYPES.get(error.status, "unmapped"), "provider_name": "sim"}
    return {"error": {"code": error.status, "message": str(error), "metadata": metadata}}


def _groq_error(error: ChatError) -> object:
    kind = "internal_server_error" if error.status >= 500 else "invalid_request_error"
    return {"error": {"message": str(error), "type": kind, "code": error.code}}


def _azure_error(error: ChatError) -> object:
    """Return an error that says in `innererror` what a filter of content found."""
    body = error.body()["error"]
    inner: Json = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}
    more = {"innererror": inner, "status": error.status} if error.code == "content_filter" else {}
    return {"error": {**(body if isinstance(body, dict) else {}), **more}}


AZURE = Dialect(
    prefix="/openai/v1",
    apis=("chat", "responses"),
    has_deployments=True,
    key_headers=("api-key", "authorization"),
    has_filter_results=True,
    error=_azure_error,
)
GROQ = Dialect(
    prefix="/openai/v1",
    thoughts="reasoning",
    has_whole_calls=True,
    takes_names=False,
    usage_place="x_groq",
    is_usage_unasked=True,
    error=_groq_error,
    refused_fields=frozenset(("logprobs", "top_logprobs", "logit_bias")),
)
OPENROUTER = Dialect(
    prefix="/api/v1",
    thoughts="reasoning_details",
    usage=_openrouter_usage,
    error=_openrouter_error,
    comment="OPENROUTER PROCESSING",
    failure=(502, "Provider returned error"),
    failure_finish="error",
    refusals={
        "context-too-long": (
            400,
            "This endpoint's maximum context length is 128000 tokens. However, you requested about 150000 "
            "tokens. Please reduce the length of either one.",
        ),
        "content-filter": (403, "sim requires moderation. Your input was flagged."),
        "quota": (402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits"),
    },
    is_usage_unasked=True,
    fields=frozenset(
        (
            "top_k",
            "top_a",
            "min_p",
            "repetition_penalty",
            "reasoning",
            "models",
            "provider",
            "plugins",
            "session_id",
            "trace",
            "metadata",
            "prompt_cache_key",
            "cache_control",
            "service_tier",
        )
    ),
)
