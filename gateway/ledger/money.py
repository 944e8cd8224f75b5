"""Money: integer nano-dollars, computed from prices and tokens by pure functions.

The price of a token is a whole number of pico-dollars, so a cost is exact until it is rounded up to the next
nano-dollar. Reservations and charges are rounded alike: a charge is never above its reservation or below the
bill.
"""

from decimal import Decimal
from functools import lru_cache

from gateway.domain.answer import Usage
from gateway.domain.conversation import Reasoning, ToolCall
from gateway.domain.request import Request
from gateway.domain.strings import strings_of, unreadable_tokens
from gateway.policy.model import ModelSpec

NANOS_PER_USD = 1_000_000_000
PICOS_PER_NANO = 1000

# For a model behind an API there is no tokenizer. A token is at least one byte of UTF-8, and a chat format
# adds far fewer tokens than these to a message and to a prompt.
TOKENS_AROUND_A_MESSAGE = 16
TOKENS_AROUND_A_TOOL = 64
TOKENS_AROUND_A_PROMPT = 64
TOKENS_AROUND_TOOLS = 1024
"""Anthropic puts 159 to 935 tokens of its own before a prompt with tools, by model; an answer in JSON may be
one."""
MOST_TOKENS_OF_AN_IMAGE = 40_000
"""gpt-4o-mini counts up to 36,835 for one; a document counts by its bytes."""


def nanos_of_usd(amount: Decimal) -> int:
    """Return US dollars as nano-dollars; raises ValueError for a fraction of a nano-dollar."""
    return _whole(amount * NANOS_PER_USD, "US dollars with more than nine decimals")


@lru_cache(maxsize=1024)
def picos_per_token(price_per_million_usd: Decimal) -> int:
    """Return US dollars per million tokens as pico-dollars per token; raises ValueError for a fraction."""
    return _whole(price_per_million_usd * 10**6, "a price per million tokens with more than six decimals")


def prompt_tokens_bound(request: Request) -> int:
    """Return an upper bound of the prompt's tokens that holds for every tokenizer."""
    config = request.config
    parts = [part for message in request.messages for part in message.parts]
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    has_tools = bool(config.tools) or has_calls or config.json_schema is not None or config.json_object
    return (
        sum(len(string.text.encode("utf-8", "surrogatepass")) for string in strings_of(request))
        + TOKENS_AROUND_A_MESSAGE * (len(request.messages) + len(parts))
        + sum(len(part.opaque) for part in parts if isinstance(part, Reasoning | ToolCall))
        + TOKENS_AROUND_A_TOOL * len(config.tools)
        + TOKENS_AROUND_TOOLS * has_tools
        + unreadable_tokens(request, each=MOST_TOKENS_OF_AN_IMAGE)
        + TOKENS_AROUND_A_PROMPT
    )


def worst_case_usd_nanos(spec: ModelSpec, request: Request, max_tokens: int) -> int:
    """Return the highest cost of an answer of at most `max_tokens`; 0 for a model without a price.

    All of the prompt may be written to a cache, and none of it be read from one.
    """
    if spec.token_price is None:
        return 0
    prompt = prompt_tokens_bound(request)
    return max(
        _nanos(
            prompt * picos_per_token(max(price.input, price.of("cache_write")))
            + max_tokens * picos_per_token(price.output)
        )
        for price in spec.token_price.all_up_to(prompt)
    )


def cost_usd_nanos(spec: ModelSpec, usage: Usage) -> int:
    """Return the cost of `usage` at the policy's prices, rounded up; 0 for a model without a price.

    Tokens that were read from a cache or written to one are part of the prompt. Parts that are more than the
    whole make nothing cheaper: the rest of the prompt is never less than none.
    """
    if spec.token_price is None:
        return 0
    price = spec.token_price.at(usage.prompt_tokens)
    written = min(usage.cache_write_tokens, usage.prompt_tokens)
    cached = min(usage.cached_prompt_tokens, usage.prompt_tokens - written)
    return _nanos(
        (usage.prompt_tokens - cached - written) * picos_per_token(price.input)
        + cached * picos_per_token(price.of("cached_input"))
        + written * picos_per_token(price.of("cache_write"))
        + (usage.completion_tokens + usage.sample_tokens) * picos_per_token(price.output)
    )


def _nanos(picos: int) -> int:
    return -(-picos // PICOS_PER_NANO)


def _whole(amount: Decimal, what: str) -> int:
    whole = int(amount)
    if whole != amount:
        raise ValueError(f"{what}: not a whole number of the smallest unit")
    return whole
