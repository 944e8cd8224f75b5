"""What tokens cost: cached and written ones are parts of the prompt, long prompts have their own prices."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.answer import Usage
from gateway.domain.conversation import Image, Message, Role, Text, Tool
from gateway.domain.request import GenerationConfig, Request
from gateway.ledger.money import cost_usd_nanos, prompt_tokens_bound, worst_case_usd_nanos
from gateway.policy.openai import OpenAIModel
from gateway.policy.priced import Price

CLAUDE = {"input": 3, "output": 15, "cached_input": 0.3, "cache_write": 3.75}
LONG = {"input": 6, "output": 22.5, "cached_input": 0.6, "cache_write": 7.5, "above_tokens": 200_000}
COUNTS = st.integers(0, 400_000)


def model(**price: object) -> OpenAIModel:
    """Return a model with a price."""
    return OpenAIModel.model_validate(
        {"kind": "openai", "model": "m", "clearance": "public", "price_per_million_usd": price}
    )


TIERED = model(**CLAUDE, tiers=[LONG])
PROMPT = Request(request_id="r", tenant="t", messages=(Message(role=Role.USER, content="hello"),))


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        (Usage(prompt_tokens=1000, completion_tokens=100), 3_000_000 + 1_500_000),
        # 90 % from a cache: 100 x 3 + 900 x 0.3
        (Usage(prompt_tokens=1000, completion_tokens=0, cached_prompt_tokens=900), 300_000 + 270_000),
        # 100 x 3 + 700 x 0.3 + 200 x 3.75
        (
            Usage(prompt_tokens=1000, completion_tokens=0, cached_prompt_tokens=700, cache_write_tokens=200),
            300_000 + 210_000 + 750_000,
        ),
        # Reasoning is part of the answer, and costs nothing more.
        (Usage(prompt_tokens=0, completion_tokens=10, reasoning_tokens=9), 150_000),
        # Above the threshold all tokens have the higher price.
        (Usage(prompt_tokens=200_000, completion_tokens=0), 600_000_000),
        (Usage(prompt_tokens=200_001, completion_tokens=1000), 200_001 * 6000 + 22_500_000),
        (
            Usage(prompt_tokens=300_000, completion_tokens=0, cached_prompt_tokens=300_000),
            300_000 * 600,
        ),
    ],
)
def test_tokens_of_each_kind_have_their_price(usage: Usage, nanos: int) -> None:
    """The cost is exact to the nano-dollar."""
    assert cost_usd_nanos(TIERED, usage) == nanos


def test_a_kind_without_a_price_costs_what_the_prompt_costs() -> None:
    """A policy that says nothing of caches charges them like the rest."""
    usage = Usage(prompt_tokens=100, completion_tokens=0, cached_prompt_tokens=50, cache_write_tokens=25)
    assert cost_usd_nanos(model(input=2, output=1), usage) == 200_000


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_parts_that_cannot_be_true_make_nothing_cheaper(
    prompt: int, completion: int, cached: int, written: int
) -> None:
    """Whatever parts are claimed, a token of the prompt costs no less than a cached one."""
    usage = Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_prompt_tokens=cached,
        cache_write_tokens=written,
    )
    price = Price.model_validate({**CLAUDE, "tiers": [LONG]}).at(prompt)
    least = prompt * price.of("cached_input") + completion * price.output
    most = prompt * price.of("cache_write") + completion * price.output
    assert least * 1000 <= cost_usd_nanos(TIERED, usage) <= most * 1000 + 1


@given(
    st.integers(0, 60),
    st.integers(1, 1000),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_charge_is_never_above_its_reservation(
    prompt_kib: int, completion: int, cached: float, written: float, is_tiered: bool
) -> None:
    """However a prompt that was reserved for is split, and whichever tier holds, it fits."""
    request = Request(
        request_id="r", tenant="t", messages=(Message(role=Role.USER, content="x" * 1024 * prompt_kib),)
    )
    bound = prompt_tokens_bound(request)
    tiers = [{**LONG, "above_tokens": 10_000}] if is_tiered else []
    spec = model(**CLAUDE, tiers=tiers)
    for prompt in (bound, bound // 4):
        usage = Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_prompt_tokens=int(prompt * cached),
            cache_write_tokens=int(prompt * written),
        )
        assert cost_usd_nanos(spec, usage) <= worst_case_usd_nanos(spec, request, completion)


def test_tools_and_images_are_reserved_for() -> None:
    """What is sent beside text counts in the worst case."""
    parts = (Text("hello"), Image(data=b"x", media_type="image/png"))
    image = Request(request_id="r", tenant="t", messages=(Message(role=Role.USER, parts=parts),))
    tools = Request(
        request_id="r",
        tenant="t",
        messages=PROMPT.messages,
        config=GenerationConfig(tools=(Tool(name="look", description="x" * 1000),)),
    )
    assert prompt_tokens_bound(image) > prompt_tokens_bound(PROMPT) + 36_835
    assert prompt_tokens_bound(tools) > prompt_tokens_bound(PROMPT) + 1000


def test_a_price_of_the_model_is_kept_exact() -> None:
    """Prices are decimals, so that a cent is a cent."""
    price = TIERED.token_price
    assert price is not None
    assert price.of("cached_input") == Decimal("0.3")
    assert price.at(200_001).of("cache_write") == Decimal("7.5")
