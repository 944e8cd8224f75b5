"""The list of models, read by both official clients."""

import anthropic
import openai
import pytest

from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.openai_client import PATIENCE_S, client_of
from tests.support.policies import POLICY
from tests.support.raw_http import exchanged
from tests.support.served import ANY_PORT, Served, served

ALIASES = POLICY + 'aliases: {"gpt-4o": auto, "claude-*": edge, "org/small": edge}\n'
NAMES = ["edge", "cloud", "auto", "gpt-4o", "org/small"]


def models() -> dict[str, ScriptedBackend]:
    """Return models that nobody asks."""
    return {name: ScriptedBackend(name, [reply("-")]) for name in ("edge", "cloud")}


def anthropic_of(gateway: Served) -> anthropic.AsyncAnthropic:
    """Return a client that tries once."""
    return anthropic.AsyncAnthropic(
        base_url=gateway.http_url, api_key="unused", max_retries=0, timeout=PATIENCE_S
    )


async def test_openai_lists_models_and_aliases() -> None:
    """Names as they can be asked for; a pattern is none."""
    async with served(models(), http=ANY_PORT, policy=ALIASES) as gateway, client_of(gateway) as client:
        listed = [model async for model in client.models.list()]
        one = await client.models.retrieve("claude-sonnet")
        slashed = await client.models.retrieve("org/small")
        with pytest.raises(openai.NotFoundError) as raised:
            await client.models.retrieve("gpt-5")
    assert [(model.id, model.object) for model in listed] == [(name, "model") for name in NAMES]
    assert (one.id, one.to_dict()["alias_of"], slashed.id) == ("claude-sonnet", "edge", "org/small")
    assert raised.value.code == "model_not_found"
    assert [model.to_dict()["alias_of"] for model in listed if model.id == "auto"] == [None]
    facts = listed[1].to_dict()
    assert facts["context_length"] == 128_000
    assert facts["price_per_million_usd"] == {"input": 1.0, "output": 1.0}
    assert (facts["place"], facts["tools"], facts["modalities"]) == ("cloud", True, ["text"])
    assert facts["space"] is None


async def test_anthropics_client_reads_pages() -> None:
    """Its own shape, by the header that it sends, errors too."""
    async with (
        served(models(), http=ANY_PORT, policy=ALIASES) as gateway,
        anthropic_of(gateway) as client,
    ):
        page = await client.models.list(limit=2)
        assert [model.id for model in page.data] == NAMES[:2]
        assert page.has_more
        assert [model.id async for model in client.models.list(limit=2)] == NAMES
        assert (await client.models.retrieve("edge")).display_name == "edge"
        with pytest.raises(anthropic.NotFoundError) as raised:
            await client.models.retrieve("gpt-5")
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1001", "1e3", "99999999999999999999"])
async def test_a_limit_is_a_whole_number(limit: str) -> None:
    """Others are refused by name."""
    async with served(models(), http=ANY_PORT) as gateway:
        told = await exchanged(gateway.http_address, f"/v1/models?limit={limit}", method="GET")
    assert (told.status, told.json["error"]["param"]) == (400, "limit")
