"""Azure, Groq and OpenRouter: hosts of models that add to OpenAI's form, and take from it."""

from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json, openai_usage


def _openrouter_usage(counts: BilledTokens) -> Json:
    return {**openai_usage(counts), "is_byok": False}


def _openrouter_error(error: ChatError) -> object:
    """Return an error whose code is the HTTP status."""
    return {"error": {"code": error.status, "message": str(error), "metadata": {"provider_name": "sim"}}}


def _groq_error(error: ChatError) -> object:
    return {"error": {"message": str(error), "type": "invalid_request_error", "code": error.code}}


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
    fields=frozenset(("top_k", "min_p", "reasoning")),
)
