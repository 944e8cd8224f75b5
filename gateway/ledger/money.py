"""Money: integer nano-dollars, computed from prices and tokens by pure functions.

The price of a token is a whole number of pico-dollars, so a cost is exact until it is rounded up to the next
nano-dollar. Reservations and charges are rounded alike: a charge is never above its reservation or below the
bill.
"""

from decimal import Decimal

from gateway.domain.answer import Usage
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
MOST_TOKENS_OF_AN_IMAGE = 40_000
"""gpt-4o-mini counts up to 36,835 for one; a document counts by its bytes."""


def nanos_of_usd(amount: Decimal) -> int:
    """Return US dollars as nano-dollars; raises ValueError for a fraction of a nano-dollar."""
    return _whole(amount * NANOS_PER_USD, "US dollars with more than nine decimals")


def picos_per_token(price_per_million_usd: Decimal) -> int:
    """Return US dollars per million tokens as pico-dollars per token; raises ValueError for a fraction."""
    return _whole(price_per_million_usd * 10**6, "a price per million tokens with more than six decimals")


def prompt_tokens_bound(request: Request) -> int:
    """Return an upper bound of the prompt's tokens that holds for every tokenizer."""
    parts = sum(len(message.parts) for message in request.messages)
    return (
        sum(len(string.text.encode("utf-8", "surrogatepass")) for string in strings_of(request))
        + TOKENS_AROUND_A_MESSAGE * (len(request.messages) + parts)
        + TOKENS_AROUND_A_TOOL * len(request.config.tools)
        + unreadable_tokens(request, each=MOST_TOKENS_OF_AN_IMAGE)
        + TOKENS_AROUND_A_PROMPT
    )


def worst_case_usd_nanos(spec: ModelSpec, request: Request, max_tokens: int) -> int:
    """Return the highest cost of an answer of at most `max_tokens`; 0 for a model without a price."""
    if spec.price is None:
        return 0
    most = Usage(prompt_tokens=prompt_tokens_bound(request), completion_tokens=max_tokens)
    return cost_usd_nanos(spec, most)


def cost_usd_nanos(spec: ModelSpec, usage: Usage) -> int:
    """Return the cost of `usage` at the policy's prices, rounded up; 0 for a model without a price."""
    price = spec.price
    if price is None:
        return 0
    picos = usage.prompt_tokens * picos_per_token(price.input)
    picos += usage.completion_tokens * picos_per_token(price.output)
    return -(-picos // PICOS_PER_NANO)


def _whole(amount: Decimal, what: str) -> int:
    whole = int(amount)
    if whole != amount:
        raise ValueError(f"{what}: not a whole number of the smallest unit")
    return whole
