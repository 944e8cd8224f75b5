"""Prices of known providers' models, from the catalogue genai-prices, whose data come with the package.

Nothing is fetched: a newer package has newer prices, and `gateway prices diff` says what it would change.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from importlib.metadata import version
from typing import Any

from gateway.clock import SystemClock
from gateway.policy.priced import CataloguePrice, Price, PriceTier

_UNITS: Mapping[str, str] = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
}
_NOT_TEXT = ("audio", "image", "video", "search", "storage", "cache_write_1h")
"""Units of what the gateway never asks for."""
_DECIMALS = Decimal("0.000001")


def find_price(url: str, model: str) -> CataloguePrice:
    """Return the price of a model; raises LookupError, with what is not known.

    Where a model has several prices by the time of day, each is the highest of them: no bill is above it.
    """
    # 0.3 s of processor time, for those who use it only.
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider, found = get_snapshot().find_provider_model(model, None, None, url)
    except LookupError:
        raise LookupError(f"the catalogue knows no price of {model} at {url}") from None
    active = list(_active(found.prices))
    unknown = sorted(
        unit
        for prices in active
        for unit, value in vars(prices).items()
        if value is not None and unit not in _UNITS and not any(word in unit for word in _NOT_TEXT)
    )
    if unknown or not all(getattr(prices, "input_mtok", None) is not None for prices in active):
        what = f"counts {unknown[0]} too" if unknown else "has no price of tokens"
        raise LookupError(f"the catalogue's price of {model} at {url} {what}")
    starts = sorted({tier.start for prices in active for tier in _tiers(prices)})
    tiers = tuple(PriceTier(above_tokens=start, **_highest(active, start)) for start in starts)
    price = Price(tiers=tiers, **_highest(active, 0))
    return CataloguePrice(price, f"genai-prices {version('genai-prices')}, {provider.id}/{found.id}")


def _active(prices: Any) -> Iterator[Any]:
    """Yield the prices that hold today, at whatever time of day."""
    if not isinstance(prices, list):
        yield prices
        return
    today = datetime.fromtimestamp(SystemClock().unix_s(), UTC).date()
    since: list[Any] = []
    for each in prices:
        begins = getattr(each.constraint, "start_date", None)
        if begins is not None and begins <= today:
            since = [each.prices]
        elif begins is None:
            since.append(each.prices)
    yield from since


def _tiers(prices: Any) -> Iterator[Any]:
    for unit in _UNITS:
        yield from getattr(getattr(prices, unit, None), "tiers", ())


def _highest(active: Sequence[Any], start: int) -> dict[str, Decimal]:
    """Return the highest price of each kind for a prompt above `start`, by the policy's names."""
    found: dict[str, Decimal] = {}
    for prices in active:
        for unit, name in _UNITS.items():
            price = getattr(prices, unit, None)
            if price is None:
                continue
            amount = getattr(price, "base", price)
            for tier in getattr(price, "tiers", ()):
                if start >= tier.start:
                    amount = tier.price
            amount = amount.quantize(_DECIMALS, ROUND_UP)
            found[name] = max(found.get(name, amount), amount)
    return {"output": Decimal(0), **found}
