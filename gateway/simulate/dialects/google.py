"""Gemini by its endpoint for chat completions."""

from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json

_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}


def _usage(counts: BilledTokens) -> Json:
    """Return counts with thoughts in the total alone, and nothing of caches."""
    return {
        "prompt_tokens": counts.prompt.total,
        "completion_tokens": counts.completion - counts.reasoning,
        "total_tokens": counts.prompt.total + counts.completion,
    }


def _error(error: ChatError) -> object:
    status = _STATUS.get(error.status, "UNAVAILABLE")
    return [{"error": {"code": error.status, "message": str(error), "status": status}}]


GEMINI = Dialect(
    prefix="/v1beta/openai",
    call_index="none",
    call_id=("call_", 6),
    has_whole_calls=True,
    has_signatures=True,
    streamed_finish_words={"tool_calls": "stop"},
    usage_place="finish_event",
    usage=_usage,
    error=_error,
    refused_fields=frozenset(("parallel_tool_calls", "logit_bias")),
    refusals={
        "unauthorized": (400, "API key not valid. Please pass a valid API key."),
        "context-too-long": (
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        "quota": (429, "You exceeded your current quota, please check your plan and billing details."),
    },
    failure=(503, "The model is overloaded. Please try again later."),
)
