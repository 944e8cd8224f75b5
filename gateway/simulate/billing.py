"""The charges of the simulated provider, to compare a ledger with.

Amounts are exact in pico-dollars; a bill has nano-dollars, rounded up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Protocol

PICOS_PER_TOKEN = 1_000_000
"""Pico-dollars for one token at a price of one US dollar for a million tokens."""
PICOS_PER_NANO = 1000


class PriceLike(Protocol):
    """US dollars for a million tokens, as in a policy."""

    @property
    def input(self) -> Decimal:
        """For the tokens of the prompt."""
        ...

    @property
    def output(self) -> Decimal:
        """For the tokens of the answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPrice:
    """US dollars for a million tokens; at most six decimals, so that a token costs whole pico-dollars."""

    input: Decimal
    output: Decimal


DEFAULT_PRICE = SimulatedPrice(input=Decimal("0.25"), output=Decimal("2.00"))
"""The price of a model without a price of its own."""


def parse_price(text: str) -> tuple[str, SimulatedPrice]:
    """Read `MODEL=IN:OUT` in US dollars for a million tokens; raises ValueError."""
    model, equals, price = text.rpartition("=")
    into, colon, out = price.partition(":")
    if not model or not equals or not colon:
        raise ValueError(f"{text!r} is not MODEL=IN:OUT, as in 'sim-strong=0.25:2.00'")
    try:
        parsed = SimulatedPrice(input=Decimal(into), output=Decimal(out))
        picos_per_token(parsed.input)
        picos_per_token(parsed.output)
    except (InvalidOperation, ValueError):
        raise ValueError(
            f"price {text!r}: IN and OUT are US dollars for a million tokens, with at most six decimals"
        ) from None
    return model, parsed


def picos_per_token(usd_per_million: Decimal) -> int:
    """Return the price of one token in pico-dollars; raises ValueError when it is not a whole number."""
    if not usd_per_million.is_finite() or usd_per_million < 0:
        raise ValueError("a price is a finite number, 0 or more")
    picos = usd_per_million * PICOS_PER_TOKEN
    if picos != int(picos):
        raise ValueError("a price has at most six decimals")
    return int(picos)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBill:
    """The bill of one model: requests, tokens of prompts and answers, and cost in nano-dollars."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    billed_usd_nanos: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The bill since the start or the last reset."""

    requests: int
    bytes_received: int
    disconnects: int
    billed_usd_nanos: int
    models: Mapping[str, ModelBill]


class Meter:
    """Counts tokens while answers are sent, so that an interrupted answer bills what was sent."""

    def __init__(self, prices: Mapping[str, PriceLike]) -> None:
        self._prices = {
            model: (picos_per_token(price.input), picos_per_token(price.output))
            for model, price in prices.items()
        }
        self._default = (picos_per_token(DEFAULT_PRICE.input), picos_per_token(DEFAULT_PRICE.output))
        self._models: dict[str, ModelBill] = {}

    def count(
        self, model: str, *, requests: int = 0, prompt_tokens: int = 0, completion_tokens: int = 0
    ) -> None:
        """Add requests and tokens to the bill of `model`."""
        into, out = self._prices.get(model, self._default)
        so_far = self._models.get(model, ModelBill())
        prompt, completion = (
            so_far.prompt_tokens + prompt_tokens,
            so_far.completion_tokens + completion_tokens,
        )
        self._models[model] = ModelBill(
            requests=so_far.requests + requests,
            prompt_tokens=prompt,
            completion_tokens=completion,
            billed_usd_nanos=-(-(prompt * into + completion * out) // PICOS_PER_NANO),
        )

    def models(self) -> dict[str, ModelBill]:
        """Return the bill of each model."""
        return dict(self._models)

    def reset(self) -> None:
        """Delete all bills."""
        self._models.clear()
