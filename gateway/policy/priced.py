"""What tokens of a model cost, by the policy's own numbers or by the catalogue of prices."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal, NamedTuple, Self, get_args

from pydantic import Field

from gateway.policy.spec import ModelSpec, Usd
from gateway.policy.strict import Strict

PerMillion = Annotated[Usd, Field(decimal_places=6)]
"""US dollars per million tokens; at most six decimals, so that a token costs whole pico-dollars."""


KindOfTokens = Literal["input", "output", "cached_input", "cache_write"]
KINDS_OF_TOKENS: Final = get_args(KindOfTokens)


class TokenPrice(Strict):
    """US dollars per million tokens of each kind."""

    input: PerMillion = Field(description="Per million tokens of the prompt; at most six decimals.")
    output: PerMillion = Field(description="Per million tokens of the answer; at most six decimals.")
    cached_input: PerMillion | None = Field(
        None, description="Per million tokens of the prompt that were read from a cache. Default: input."
    )
    cache_write: PerMillion | None = Field(
        None, description="Per million tokens of the prompt that were written to a cache. Default: input."
    )

    def of(self, kind: KindOfTokens) -> Decimal:
        """Return the price of a kind of tokens; those in a cache have that of the prompt by default."""
        own: Decimal | None = getattr(self, kind)
        return self.input if own is None else own


class PriceTier(TokenPrice):
    """The price of all tokens of a request with a long prompt."""

    above_tokens: int = Field(
        ge=1, le=100_000_000, description="The prices hold for all tokens of a request with a longer prompt."
    )


class Price(TokenPrice):
    """US dollars per million tokens, with other prices for long prompts."""

    tiers: tuple[PriceTier, ...] = Field(
        (),
        strict=False,
        description="Prices of all tokens of requests with long prompts, the shortest first. Default: none.",
    )

    def at(self, prompt_tokens: int) -> TokenPrice:
        """Return the prices of a request whose prompt has so many tokens."""
        above = [tier for tier in self.tiers if prompt_tokens > tier.above_tokens]
        return above[-1] if above else self

    def all_up_to(self, prompt_tokens: int) -> tuple[TokenPrice, ...]:
        """Return the prices that may hold for a prompt of at most so many tokens."""
        return (self, *(tier for tier in self.tiers if prompt_tokens > tier.above_tokens))


class CataloguePrice(NamedTuple):
    """A price that was looked up, and where it is from."""

    price: Price
    source: str


FindPrice = Callable[[str, str], CataloguePrice]
"""Returns the price of a model by its provider's URL and its name there; raises LookupError."""


class PricedModel(ModelSpec):
    """A model of a provider, whose tokens cost something."""

    compared_keys: ClassVar[frozenset[str]] = ModelSpec.compared_keys | {"price_per_million_usd"}

    price_per_million_usd: Price | None = Field(
        None,
        description="The price of a million tokens, in US dollars. Required unless place is edge or price is "
        "catalogue.",
    )
    price: Literal["catalogue"] | None = Field(
        None,
        description="With catalogue, the price is that of genai-prices, an offline catalogue, by "
        "base_url and model. It is looked up when the policy is loaded, and belongs to the policy's hash.",
    )
    price_source: str | None = Field(
        None, max_length=200, description="Where the price is from; filled in by price: catalogue."
    )

    @property
    def token_price(self) -> Price | None:
        """The price of its tokens; None: free, and no budget counts it."""
        return self.price_per_million_usd

    def with_found_price(self, find: FindPrice) -> Self:
        """Return the spec with the price of the catalogue, if it wants that; raises LookupError."""
        if self.price is None:
            return self
        found = find(self.server_url or "", self.provider_model or "")
        return self.model_copy(
            update={"price": None, "price_per_million_usd": found.price, "price_source": found.source}
        )

    def looser_than(self, old: Self) -> Iterator[tuple[str, str]]:
        """Yield each price that is lower than in `old`, and how."""
        was, now = old.token_price, self.token_price
        if was is None:
            return
        if now is None:
            yield "price_per_million_usd", "removed: no budget counts this model"
            return
        for above in sorted({0, *(tier.above_tokens for tier in (*was.tiers, *now.tiers))}):
            before, after = was.at(above + 1), now.at(above + 1)
            for key in KINDS_OF_TOKENS:
                if getattr(before, key) is None and getattr(after, key) is None:
                    continue  # The price of the prompt says it.
                value, lower = before.of(key), after.of(key)
                if lower < value:
                    where = f" above {above} tokens" if above else ""
                    detail = f"{key}{where} lowered from {value} to {lower}: budgets count less"
                    yield "price_per_million_usd", detail

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each key that contradicts another key of this model, and how."""
        if self.price is not None and self.price_per_million_usd is not None:
            yield "price", "does not go with price_per_million_usd; remove one of the two"
        own = self.price_per_million_usd
        tiers = [tier.above_tokens for tier in own.tiers] if own is not None else []
        if tiers != sorted(set(tiers)):
            yield "price_per_million_usd", "must have tiers with rising above_tokens"
        if self.place == "cloud" and self.price is None and self.price_per_million_usd is None:
            detail = "write {input: ..., output: ...} or price: catalogue, or place: edge if it is free"
            yield "price_per_million_usd", f"is missing; {detail}"
