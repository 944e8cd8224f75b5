"""What a policy says of a model behind the Messages API, and what follows from its name."""

import pytest

from gateway.domain.capability import Capability
from gateway.policy.anthropic import ANTHROPIC_BASE_URL, AnthropicModel, claude_version

PRICE = {"input": 3, "output": 15}


def spec(**keys: object) -> AnthropicModel:
    """Return the spec of a model."""
    given = {"kind": "anthropic", "model": "claude-sonnet-4-5", "clearance": "public"}
    return AnthropicModel.model_validate({**given, "price_per_million_usd": PRICE, **keys})


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-opus-4-6", (4, 6)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("us.anthropic.claude-opus-4-7-v1:0", (4, 7)),
        ("anthropic/claude-4.7-opus", (4, 7)),
        ("claude-fable-5", (5, 0)),
        ("claude-mythos-preview", (99, 0)),
        ("glm-5", None),
    ],
)
def test_the_version_by_the_name(model: str, version: tuple[int, int] | None) -> None:
    """Dates are no versions; a name of Claude without one is taken for new."""
    assert claude_version(model) == version


@pytest.mark.parametrize(
    ("model", "thinks_by", "drop"),
    [
        ("claude-3-5-haiku-latest", "none", ()),
        ("claude-3-7-sonnet-20250219", "budget", ()),
        ("claude-sonnet-4-5", "budget", ()),
        ("claude-opus-4-6", "adaptive", ()),
        ("claude-opus-4-7", "adaptive", ("temperature", "top_p", "top_k")),
        ("glm-5", "budget", ()),
    ],
)
def test_what_follows_from_the_version(model: str, thinks_by: str, drop: tuple[str, ...]) -> None:
    """How it is asked to think, and what it refuses; the policy may say otherwise."""
    made = spec(model=model)
    assert (made.thinks_by, made.drop) == (thinks_by, drop)
    assert (Capability.REASONING in made.capabilities) == (thinks_by != "none")
    own = spec(model=model, thinking="adaptive", drop=["stop"])
    assert (own.thinks_by, own.drop) == ("adaptive", ("stop",))


def test_what_it_can() -> None:
    """Text, images, documents, tools of both kinds and JSON; no log probabilities, grammar or vectors."""
    made = spec()
    assert made.reads == ("text", "image", "file")
    of_vectors = {Capability.EMBEDDINGS, Capability.DIMENSIONS, Capability.SPACE, Capability.CHAT}
    unable = {Capability.LOGPROBS, Capability.GRAMMAR, *of_vectors}
    assert made.capabilities == frozenset(Capability) - unable
    assert Capability.CUSTOM_TOOLS not in spec(tools=False).capabilities


@pytest.mark.parametrize(
    ("price", "cache"),
    [
        ({"price_per_million_usd": PRICE}, "none"),
        ({"price_per_million_usd": PRICE | {"cache_write": 3.75}}, "auto"),
        ({"price_per_million_usd": None, "price": "catalogue"}, "auto"),
        ({"price_per_million_usd": None, "place": "edge"}, "auto"),
    ],
)
def test_nothing_is_kept_whose_price_is_not_known(price: dict[str, object], cache: str) -> None:
    """Otherwise a charge would be below the bill."""
    made = spec(**price)
    assert made.cache == cache
    assert "cache" not in dict(made.problems())


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"cache": "auto"}, "cache"),
        ({"modalities": ["image"]}, "modalities"),
        ({"reasoning": True, "thinking": "none"}, "reasoning"),
        ({"price_per_million_usd": None}, "price_per_million_usd"),
    ],
)
def test_keys_that_contradict_each_other(keys: dict[str, object], key: str) -> None:
    """Each is refused by its name."""
    assert [name for name, _ in spec(**keys).problems()] == [key]


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"base_url": "https://api.anthropic.com/v1/messages"}, "base_url"),
        ({"base_url": "https://api.anthropic.com"}, "base_url"),
        ({"base_url": "http://llm.example/v1", "clearance": "restricted"}, "base_url"),
        ({"model": "claude-opus-4-6", "prefill": True}, "prefill"),
        ({"model": "claude-opus-4-7", "sampling": {"temperature": 0.5}}, "sampling.temperature"),
    ],
)
def test_probable_mistakes(keys: dict[str, object], key: str) -> None:
    """Each is warned of; what is plain is not."""
    assert [name for name, _ in spec(**keys).warnings()] == [key]
    assert list(spec().warnings()) == []


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ({}, {"base_url": "https://llm.example/v1"}, "base_url"),
        ({}, {"proxy": "http://proxy.example"}, "proxy"),
        ({}, {"mask": ["EMAIL"]}, "mask"),
        ({}, {"restore_in_urls": True}, "restore_in_urls"),
        ({"modalities": ["text"]}, {}, "modalities"),
        ({}, {"price_per_million_usd": {"input": 2, "output": 15}}, "price_per_million_usd"),
    ],
)
def test_what_is_looser(before: dict[str, object], after: dict[str, object], key: str) -> None:
    """More may leave, or costs count less; the way back is not looser."""
    old, new = spec(**before), spec(**after)
    assert [name for name, _ in new.looser_than(old)] == [key]
    back = [name for name, _ in old.looser_than(new)]
    assert back in ([], ["base_url"])


def test_where_requests_go() -> None:
    """Anthropic's own API without a URL, and the variable of the key."""
    made = spec(api_key_env="ANTHROPIC_API_KEY")
    assert (made.server_url, made.key_variable, made.provider_model) == (
        ANTHROPIC_BASE_URL,
        "ANTHROPIC_API_KEY",
        "claude-sonnet-4-5",
    )
