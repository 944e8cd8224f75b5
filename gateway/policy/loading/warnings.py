"""Warnings of `gateway policy check`: valid settings that are probably mistakes. Pure."""

from collections.abc import Iterator
from decimal import Decimal

from gateway.policy.model import Policy
from gateway.policy.source import Path

PolicyWarning = tuple[Path, str]


def warnings_of(policy: Policy) -> Iterator[PolicyWarning]:
    """Yield the path and the message of each warning."""
    for name, spec in policy.models.items():
        for key, message in spec.warnings():
            yield ("models", name, key), message
    yield from _of_budgets(policy)


def _of_budgets(policy: Policy) -> Iterator[PolicyWarning]:
    """Yield the caps that one large request exceeds, so that it is refused even if nothing was spent."""
    for index, budget in enumerate(policy.budgets):
        for name, spec in policy.models.items():
            if (price := spec.token_price) is None:
                continue
            answer = min(spec.max_tokens, spec.context)
            prompt = spec.context - answer
            prices = price.at(prompt)
            cost = (prompt * prices.input + answer * prices.output) / Decimal(1_000_000)
            if cost > budget.limit_usd:
                yield (
                    ("budgets", index, "limit_usd"),
                    f"one request to {name} that fills its context of {spec.context} tokens costs"
                    f" {_plain(cost)} USD, more than the whole cap of {_plain(budget.limit_usd)} USD, and is"
                    " always refused",
                )


def _plain(usd: Decimal) -> str:
    return f"{usd.normalize():f}"
