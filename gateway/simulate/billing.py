"""The charges of the simulated provider, to compare a ledger with.

Amounts are exact in pico-dollars; a bill has nano-dollars, rounded up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Protocol

PICOS_PER_TOKEN = 1_000_000
"""Pico-dollars for one token at a price of one US dollar for a million tokens."""
PICOS_PER_NANO = 1000
KINDS = ("input", "output", "cached_input", "cache_write")
"""The kinds of tokens, in the order in which `parse_price` reads their prices."""


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

    @property
    def cached_input(self) -> Decimal | None:
        """For tokens of the prompt that were read from a cache; None: as `input`."""
        ...

    @property
    def cache_write(self) -> Decimal | None:
        """For tokens of the prompt that were written to a cache; None: none are counted as such."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPrice:
    """US dollars for a million tokens; at most six decimals, so that a token costs whole pico-dollars."""

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None


DEFAULT_PRICE = SimulatedPrice(input=Decimal("0.25"), output=Decimal("2.00"))
"""The price of a model without a price of its own."""


def parse_price(text: str) -> tuple[str, SimulatedPrice]:
    """Read `MODEL=IN:OUT[:CACHED[:WRITTEN]]` in US dollars for a million tokens; raises ValueError."""
    model, equals, price = text.rpartition("=")
    amounts = price.split(":")
    if not model or not equals or not 2 <= len(amounts) <= len(KINDS):
        raise ValueError(
            f"{text!r} is not MODEL=IN:OUT, as in 'sim-strong=0.25:2.00', or MODEL=IN:OUT:CACHED:WRITTEN"
        )
    try:
        parsed = {kind: Decimal(amount) for kind, amount in zip(KINDS, amounts, strict=False)}
        for amount in parsed.values():
            picos_per_token(amount)
    except (InvalidOperation, ValueError):
        raise ValueError(
            f"price {text!r}: each amount is US dollars for a million tokens, with at most six decimals"
        ) from None
    return model, SimulatedPrice(**parsed)


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
    """The bill of one model: requests, tokens, and cost in nano-dollars.

    Cached and written tokens are part of the prompt's, reasoning tokens of the completion's.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    billed_usd_nanos: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTokens:
    """The tokens of a prompt, and how many of them were read from a cache or written to one."""

    total: int
    cached: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The bill since the start or the last reset."""

    requests: int
    bytes_received: int
    disconnects: int
    billed_usd_nanos: int
    models: Mapping[str, ModelBill]


class RequestBill:
    """What one request costs so far: rounded up to a nano-dollar by itself, as a ledger charges it."""

    def __init__(self, meter: "Meter", model: str) -> None:
        self._meter = meter
        self._model = model
        self._price = meter.price_of(model)
        self._picos = 0

    def add_prompt(self, prompt: PromptTokens) -> None:
        """Bill the prompt."""
        price = self._price
        cached = price.input if price.cached_input is None else price.cached_input
        written = price.input if price.cache_write is None else price.cache_write
        self._add(
            (prompt.total - prompt.cached - prompt.written) * picos_per_token(price.input)
            + prompt.cached * picos_per_token(cached)
            + prompt.written * picos_per_token(written),
            prompt_tokens=prompt.total,
            cached_tokens=prompt.cached,
            cache_write_tokens=prompt.written,
        )

    def add_completion(self, tokens: int, *, reasoning: int = 0) -> None:
        """Bill tokens of the answer, of which so many were thought only."""
        self._add(
            tokens * picos_per_token(self._price.output),
            completion_tokens=tokens,
            reasoning_tokens=reasoning,
        )

    def _add(self, picos: int, **counts: int) -> None:
        before = -(-self._picos // PICOS_PER_NANO)
        self._picos += picos
        self._meter.add(self._model, billed_usd_nanos=-(-self._picos // PICOS_PER_NANO) - before, **counts)


class Meter:
    """Counts tokens while answers are sent, so that an interrupted answer bills what was sent."""

    def __init__(self, prices: Mapping[str, PriceLike]) -> None:
        self._prices = dict(prices)
        self._models: dict[str, ModelBill] = {}

    def price_of(self, model: str) -> PriceLike:
        """Return the price of a model."""
        return self._prices.get(model, DEFAULT_PRICE)

    def begin(self, model: str) -> RequestBill:
        """Count a request, and return its bill."""
        self.add(model, requests=1)
        return RequestBill(self, model)

    def add(self, model: str, **counts: int) -> None:
        """Add to the bill of `model`, by the names of `ModelBill`."""
        so_far = self._models.get(model, ModelBill())
        changed = {name: getattr(so_far, name) + count for name, count in counts.items()}
        self._models[model] = replace(so_far, **changed)

    def models(self) -> dict[str, ModelBill]:
        """Return the bill of each model."""
        return dict(self._models)

    def reset(self) -> None:
        """Delete all bills."""
        self._models.clear()
