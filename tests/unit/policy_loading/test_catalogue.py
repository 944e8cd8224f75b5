"""Prices of the offline catalogue: looked up when a policy is loaded, part of its hash, never fetched."""

from decimal import Decimal

import pytest

from gateway.errors import PolicyError
from gateway.policy.loading.catalogue import find_price
from gateway.policy.loading.load import parse_policy
from gateway.policy.openai import OPENAI_BASE_URL

POLICY = """
version: 1
models:
  cloud: {{kind: openai, model: "{model}", clearance: public, {price}}}
rules: [{{name: default, route: [cloud]}}]
replies: [{{id: sorry, text: "Sorry."}}]
"""


def policy(model: str = "gpt-5-mini", price: str = "price: catalogue") -> str:
    """Return a policy with one model."""
    return POLICY.format(model=model, price=price)


def test_a_known_model_has_its_price() -> None:
    """OpenAI's and Anthropic's models, with caches and long prompts (prices of November 2026)."""
    mini = find_price(OPENAI_BASE_URL, "gpt-5-mini").price
    assert (mini.input, mini.output, mini.of("cached_input")) == (
        Decimal("0.25"),
        Decimal(2),
        Decimal("0.025"),
    )
    sonnet = find_price("https://api.anthropic.com/v1", "claude-sonnet-4-5").price
    assert (sonnet.of("cache_write"), sonnet.of("cached_input")) == (Decimal("3.75"), Decimal("0.3"))
    assert [tier.above_tokens for tier in sonnet.tiers] == [200_000]
    assert sonnet.at(200_001).input == 2 * sonnet.input


def test_of_prices_by_the_time_of_day_the_highest_counts() -> None:
    """A bill at noon is not above what was reserved at a price of the night."""
    price = find_price("https://api.deepseek.com", "deepseek-chat").price
    assert (price.input, price.output, price.of("cached_input")) == (
        Decimal("0.27"),
        Decimal("1.1"),
        Decimal("0.07"),
    )


@pytest.mark.parametrize(
    ("url", "model", "said"),
    [
        (OPENAI_BASE_URL, "no-such-model", "knows no price of no-such-model"),
        ("http://127.0.0.1:8080/v1", "gpt-5-mini", "knows no price of gpt-5-mini at http://127.0.0.1:8080"),
        ("https://api.perplexity.ai", "sonar", "counts requests_kcount too"),
    ],
)
def test_what_is_not_known_is_said(url: str, model: str, said: str) -> None:
    """Nothing is guessed: another provider's price, or a price that is not by tokens alone, is none."""
    with pytest.raises(LookupError, match=said):
        find_price(url, model)


def test_the_price_is_part_of_the_policy() -> None:
    """The effective policy holds the numbers and their source, and loads again as what it is."""
    loaded = parse_policy(policy(), name="p")
    spec = loaded.models["cloud"]
    assert spec.token_price is not None
    assert spec.token_price.input == Decimal("0.25")
    assert "genai-prices" in loaded.effective_yaml
    again = parse_policy(loaded.effective_yaml, name="p")
    assert again.hash == loaded.hash
    pinned = parse_policy(policy(price="price_per_million_usd: {input: 0.25, output: 2}"), name="p")
    assert pinned.hash != loaded.hash


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (policy(model="m"), "p:4: models.cloud.price: the catalogue knows no price of m"),
        (
            policy(price="price: catalogue, price_per_million_usd: {input: 1, output: 1}"),
            "models.cloud.price: does not go with price_per_million_usd",
        ),
        (policy(price="price: cheap"), "models.cloud.price: unknown value 'cheap'; one of catalogue"),
        (policy(price="max_tokens: 9"), "models.cloud.price_per_million_usd: is missing"),
        (
            policy(
                price="price_per_million_usd: {input: 1, output: 1, tiers: ["
                "{above_tokens: 9, input: 2, output: 2}, {above_tokens: 9, input: 3, output: 3}]}"
            ),
            "models.cloud.price_per_million_usd: must have tiers with rising above_tokens",
        ),
    ],
)
def test_a_wrong_price_is_refused_in_one_line(text: str, said: str) -> None:
    """Key and remedy are named."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, name="p")
    (line,) = str(caught.value).splitlines()
    assert said in line
