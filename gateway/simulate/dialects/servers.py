"""vLLM and Ollama: servers that run models themselves."""

from gateway.simulate.chat_error import ChatError
from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json


def _vllm_usage(counts: BilledTokens) -> Json:
    """Return counts without details, which vLLM tells only where it is started so."""
    return {**_ollama_usage(counts), "prompt_tokens_details": None}


def _ollama_usage(counts: BilledTokens) -> Json:
    return {
        "prompt_tokens": counts.prompt.total,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt.total + counts.completion,
    }


def _vllm_error(error: ChatError) -> object:
    kind = "InternalServerError" if error.status >= 500 else "BadRequestError"
    return {"error": {"message": str(error), "type": kind, "param": error.param, "code": error.status}}


VLLM = Dialect(
    thoughts="reasoning",
    call_id=("chatcmpl-tool-", 32),
    usage=_vllm_usage,
    error=_vllm_error,
    refusals={
        "context-too-long": (
            400,
            "This model's maximum context length is 32768 tokens. However, you requested 40000 tokens.",
        ),
    },
    takes_unknown_fields=True,
)
OLLAMA = Dialect(
    thoughts="reasoning",
    call_index="zero",
    call_id=("call_", 8),
    has_whole_calls=True,
    takes_unknown_fields=True,
    ignored_fields=frozenset(("tool_choice", "parallel_tool_calls", "logit_bias")),
    usage=_ollama_usage,
)
