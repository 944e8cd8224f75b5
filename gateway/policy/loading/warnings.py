"""Warnings of `gateway policy check`: valid settings that are probably mistakes. Pure."""

import re
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

from gateway.domain.privacy import PrivacyClass
from gateway.policy.loading.air_gap import is_on_this_host
from gateway.policy.model import OpenAIModel, Policy, privacy_class
from gateway.policy.openai import OPENAI_BASE_URL
from gateway.policy.source import Path

_ENDPOINT = re.compile(r"(?:/chat)?/completions|/(?:responses|embeddings|messages|models)")
"""The path of one call, which does not belong into `base_url`; the gateway appends it."""
_OPENAI = urlsplit(OPENAI_BASE_URL).hostname
_REASONING = re.compile(r"(?:.*/)?(?:ft:)?(?:o[1-9]|gpt-5(?!.*chat))(?:[-.:@].*)?")
"""Names of OpenAI's reasoning models, also with a prefix (openai/o3-mini); gpt-5-chat does not reason."""
_REFUSED_BY_REASONING = ("temperature", "top_p")

PolicyWarning = tuple[Path, str]


def warnings_of(policy: Policy) -> Iterator[PolicyWarning]:
    """Yield the path and the message of each warning."""
    for name, spec in policy.models.items():
        if isinstance(spec, OpenAIModel):
            for key, message in _of_model(spec):
                yield ("models", name, key), message
    yield from _of_budgets(policy)


def _of_model(spec: OpenAIModel) -> Iterator[tuple[str, str]]:
    url = urlsplit(spec.base_url)
    is_here = url.hostname == "localhost" or is_on_this_host(url.hostname)
    if url.scheme == "http" and not is_here and privacy_class(spec.clearance) >= PrivacyClass.CONFIDENTIAL:
        yield "base_url", f"{spec.clearance} text goes to another host without encryption; write https://"
    path = url.path.rstrip("/")
    if found := re.search(f"(?:{_ENDPOINT.pattern})$", path):
        yield "base_url", f"must end before {found[0]}; the gateway adds /chat/completions itself"
    elif url.hostname == _OPENAI and not path:
        yield "base_url", f"OpenAI's API is at {OPENAI_BASE_URL}; write that, or leave base_url out"
    for key in spec.sampling.values():
        if key in spec.drop:
            yield f"sampling.{key}", f"is never sent, because drop names {key}; remove one of the two"
    lacking = [each for each in refused_by(spec.model) if each not in spec.drop]
    if lacking:
        wanted = ", ".join([*spec.drop, *lacking])
        detail = f"{spec.model} reasons and refuses {' and '.join(lacking)}; write drop: [{wanted}]"
        yield "drop", detail


def refused_by(model: str) -> tuple[str, ...]:
    """Return the parameters that a model is known to refuse, by its name at the provider."""
    return _REFUSED_BY_REASONING if _REASONING.fullmatch(model) else ()


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
