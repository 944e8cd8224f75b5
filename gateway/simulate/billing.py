"""What the simulated provider charges, so that a ledger can be compared with it.

Exact in pico-dollars; a bill is told in nano-dollars, rounded up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Protocol

PICOS_PER_TOKEN = 1_000_000
"""One US dollar for a million tokens is a million pico-dollars for one."""
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
"""The price of a model that was given none."""


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
    """What one model served: tokens it was sent and gave, and what they cost in nano-dollars."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    billed_usd_nanos: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What was served since the start or the last reset."""

    requests: int
    bytes_received: int
    disconnects: int
    billed_usd_nanos: int
    models: Mapping[str, ModelBill]


class Meter:
    """Counts while answers are given, so that an answer that is cut bills what was sent of it."""

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
        """Add to what `model` served."""
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
        """Return what each model served so far."""
        return dict(self._models)

    def reset(self) -> None:
        """Start again from nothing."""
        self._models.clear()
