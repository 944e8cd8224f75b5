"""Conversations with the simulated provider over HTTP: streamed calls, log probabilities, cache and bill."""

import json
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

import aiohttp
import pytest

from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.server import SimulatedCloud

PRICE = SimulatedPrice(
    input=Decimal("1.5"), output=Decimal("10"), cached_input=Decimal("0.1505"), cache_write=Decimal("2")
)
USER = {"role": "user", "content": "Is it Monday and is it 9?"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Says what it is.",
            "parameters": {"type": "object", "properties": {"hour": {"type": "integer"}}},
        },
    }
    for name in ("day", "hour")
]


@pytest.fixture
async def cloud() -> AsyncIterator[SimulatedCloud]:
    """A provider whose model has a price for each kind of tokens."""
    async with SimulatedCloud({"sim": PRICE}).serve() as running:
        yield running


async def post(cloud: SimulatedCloud, **fields: object) -> str:
    """Return the body of the answer to a request."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{cloud.base_url}/chat/completions", json={"model": "sim", "messages": [USER], **fields}
        ) as response,
    ):
        assert response.status == 200
        return await response.text()


async def test_calls_are_streamed_as_openai_streams_them(cloud: SimulatedCloud) -> None:
    """The first piece of a call has index, id, type, name and no arguments; the others have arguments."""
    whole = json.loads(await post(cloud, tools=TOOLS))["choices"][0]
    body = await post(cloud, tools=TOOLS, stream=True)
    events = [json.loads(line.removeprefix("data: ")) for line in body.split("\n\n")[:-2]]
    pieces = [piece for event in events for piece in event["choices"][0]["delta"].get("tool_calls", ())]
    calls: dict[int, dict[str, str]] = {}
    for piece in pieces:
        if "id" in piece:
            assert piece["function"]["arguments"] == ""
            calls[piece["index"]] = {"id": piece["id"], **piece["function"]}
        else:
            assert piece.keys() == {"index", "function"}
            calls[piece["index"]]["arguments"] += piece["function"]["arguments"]
    assert list(calls) == [0, 1]
    expected = [{"id": call["id"], **call["function"]} for call in whole["message"]["tool_calls"]]
    assert list(calls.values()) == expected
    assert events[-1]["choices"][0]["finish_reason"] == whole["finish_reason"] == "tool_calls"
    assert whole["message"]["content"] is None


async def test_log_probabilities_are_told_for_each_token(cloud: SimulatedCloud) -> None:
    """Each has the token, its bytes, and as many alternatives as were asked for, itself first."""
    choice = json.loads(await post(cloud, logprobs=True, top_logprobs=2))["choices"][0]
    told = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in told) == choice["message"]["content"]
    for token in told:
        assert bytes(token["bytes"]).decode() == token["token"]
        assert token["logprob"] <= 0
        assert token["top_logprobs"][0]["token"] == token["token"]
        assert len(token["top_logprobs"]) == 2


def billed(usage: Mapping[str, object]) -> int:
    """Return nano-dollars for a usage at PRICE, rounded up for this answer."""
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    details = usage["prompt_tokens_details"]
    assert isinstance(prompt, int)
    assert isinstance(completion, int)
    assert isinstance(details, dict)
    cached: int = details["cached_tokens"]
    written: int = details.get("cache_write_tokens", 0)
    plain = prompt - cached - written
    return -(-(plain * 1_500_000 + cached * 150_500 + written * 2_000_000 + completion * 10**7) // 1000)


async def test_messages_that_were_sent_before_are_cached_and_billed_so(cloud: SimulatedCloud) -> None:
    """Each turn reads all earlier messages from the cache and writes the new ones; thoughts are output."""
    messages: list[object] = []
    expected, counts = 0, []
    for turn in range(3):
        messages.append({"role": "user", "content": f"Turn {turn} of three"})
        reply = json.loads(await post(cloud, messages=messages, reasoning_effort="low"))
        usage = reply["usage"]
        counts.append((usage["prompt_tokens"], usage["prompt_tokens_details"]))
        assert usage["completion_tokens_details"] == {"reasoning_tokens": 8}
        expected += billed(usage)
        messages.append({"role": "assistant", "content": reply["choices"][0]["message"]["content"]})
    assert counts[0] == (11, {"cached_tokens": 0, "cache_write_tokens": 8})
    assert counts[1][1]["cached_tokens"] == 8
    assert counts[2][1]["cached_tokens"] == counts[1][0] - 3
    bill = cloud.bill()
    assert bill.billed_usd_nanos == expected
    model = bill.models["sim"]
    assert model.cached_tokens == counts[1][1]["cached_tokens"] + counts[2][1]["cached_tokens"]
    assert model.reasoning_tokens == 24


async def test_another_model_has_a_cache_of_its_own(cloud: SimulatedCloud) -> None:
    """What one model read is not cached for another; without a price for it nothing is written."""
    await post(cloud)
    usage = json.loads(await post(cloud, model="other"))["usage"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0}
