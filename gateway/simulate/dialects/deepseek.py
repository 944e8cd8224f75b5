"""DeepSeek."""

from gateway.simulate.dialects.dialect import BilledTokens, Dialect, Json, openai_usage


def _usage(counts: BilledTokens) -> Json:
    """Return counts with what was read from the cache, and what was not."""
    hits = counts.prompt.cached
    return {
        **openai_usage(counts),
        "prompt_cache_hit_tokens": hits,
        "prompt_cache_miss_tokens": counts.prompt.total - hits,
    }


DEEPSEEK = Dialect(
    prefix="",
    thoughts="reasoning_content",
    wants_thoughts_back=True,
    default_effort="high",
    fields=frozenset(("thinking",)),
    usage_place="finish_event",
    is_usage_unasked=True,
    usage=_usage,
    refused_fields=frozenset(("max_completion_tokens",)),
)
