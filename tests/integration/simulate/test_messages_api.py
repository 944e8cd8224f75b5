"""The simulated Messages API: what it refuses of a conversation, what it caches, and how its streams end."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from gateway.simulate.billing import SimulatedPrice
from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.server import SimulatedCloud

Body = dict[str, Any]
HEADERS = {"x-api-key": "key-1", "anthropic-version": "2023-06-01"}
USER: Body = {"role": "user", "content": "Add 1 and 2"}
TOOL: Body = {"name": "add", "input_schema": {"type": "object", "properties": {}}}
CALL: Body = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
RESULT: Body = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}
THINKING: Body = {"type": "enabled", "budget_tokens": 1024}
MARK: Body = {"cache_control": {"type": "ephemeral"}}
PRICE = SimulatedPrice(
    input=Decimal(3), output=Decimal(15), cached_input=Decimal("0.3"), cache_write=Decimal("3.75")
)


@pytest.fixture
async def cloud() -> AsyncIterator[SimulatedCloud]:
    """A simulated Anthropic."""
    async with SimulatedCloud({"sim": PRICE}, dialect=DIALECTS["anthropic"]).serve() as running:
        yield running


async def post(
    cloud: SimulatedCloud, fields: Body, *, path: str = "/messages", headers: dict[str, str] = HEADERS
) -> tuple[int, str]:
    """Return status and body of the answer to a request."""
    body = {"model": "sim", "messages": [USER], "tools": [TOOL], "max_tokens": 2000, **fields}
    async with (
        aiohttp.ClientSession() as http,
        http.post(cloud.base_url + path, json=body, headers=headers) as response,
    ):
        return response.status, await response.text()


def said(*blocks: Body) -> Body:
    """Return a turn of the assistant."""
    return {"role": "assistant", "content": list(blocks)}


def heard(*blocks: Body) -> Body:
    """Return a turn of the user."""
    return {"role": "user", "content": list(blocks)}


TEXT: Body = {"type": "text", "text": "Hm"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": [USER, said(CALL)]}, "messages.2: `tool_use` ids were found without `tool_result`"),
        ({"messages": [USER, said(CALL), heard(TEXT)]}, "without `tool_result` blocks immediately after"),
        ({"messages": [USER, said(CALL), heard(TEXT, RESULT)]}, "must come before all other content"),
        ({"messages": [USER, said(CALL), heard(RESULT, RESULT)]}, "must have a single result"),
        ({"messages": [USER, said(TEXT), heard(RESULT)]}, "unexpected `tool_use_id`"),
        ({"messages": [heard(RESULT)]}, "unexpected `tool_use_id`"),
        ({"messages": [USER, said(CALL, CALL), heard(RESULT)]}, "ids must be unique"),
        ({"messages": [USER, said(CALL | {"id": "a.b"}), heard(RESULT)]}, "should match pattern"),
        ({"messages": [USER, said(CALL | {"input": "{}"}), heard(RESULT)]}, "valid dictionary"),
        ({"messages": [USER, said(CALL), heard(RESULT)], "tools": []}, "must define tools"),
        ({"messages": [said(TEXT)]}, 'first message must use the "user" role'),
        ({"messages": [{"role": "system", "content": "x"}]}, "'user' or 'assistant'"),
        ({"messages": [USER | {"name": "ann"}]}, "Extra inputs are not permitted"),
        ({"messages": [heard({"type": "text", "text": ""})]}, "must be non-empty"),
        ({"messages": [heard({"type": "text", "text": " "})]}, "non-whitespace"),
        ({"messages": [USER, said({"type": "text", "text": "so "})]}, "trailing whitespace"),
        ({"messages": [heard({"type": "tool_use"})]}, "Input should be one of"),
        ({"max_tokens": None}, "max_tokens"),
        ({"temperature": 1.5}, "from 0 to 1"),
        ({"temperature": 1, "top_p": 1}, "cannot both be specified"),
        ({"seed": 1}, "seed: Extra inputs are not permitted"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"tools": [{"name": "add"}]}, "Input should be 'object'"),
        ({"tools": [], "tool_choice": {"type": "auto"}}, "while providing `tools`"),
        ({"tool_choice": {"type": "tool", "name": "sub"}}, "'sub' not found"),
        ({"thinking": THINKING | {"budget_tokens": 1000}}, "1024 or more"),
        ({"thinking": THINKING, "max_tokens": 1024}, "greater than `thinking.budget_tokens`"),
        ({"thinking": THINKING, "temperature": 0.5}, "only be set to 1"),
        ({"thinking": THINKING, "tool_choice": {"type": "any"}}, "Thinking may not be enabled"),
        ({"thinking": THINKING, "messages": [USER, said(TEXT)]}, "prefilled response"),
        ({"thinking": THINKING, "messages": [USER, said(CALL), heard(RESULT)]}, "found `tool_use`"),
        ({"messages": [heard(*([TEXT | MARK] * 5))]}, "maximum of 4"),
    ],
)
async def test_it_refuses_what_anthropic_refuses(cloud: SimulatedCloud, fields: Body, words: str) -> None:
    """The error names the place, and nothing is billed."""
    status, body = await post(cloud, fields)
    error = json.loads(body)
    assert status == 400
    assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
    assert words in error["error"]["message"]
    assert cloud.bill().billed_usd_nanos == 0


@pytest.mark.parametrize(
    ("missing", "status", "kind"),
    [("x-api-key", 401, "authentication_error"), ("anthropic-version", 400, "invalid_request_error")],
)
async def test_it_wants_a_key_and_a_version(
    cloud: SimulatedCloud, missing: str, status: int, kind: str
) -> None:
    """Each in its header; a key may also be a bearer's."""
    headers = {name: value for name, value in HEADERS.items() if name != missing}
    answered = await post(cloud, {}, headers=headers)
    assert (answered[0], json.loads(answered[1])["error"]["type"]) == (status, kind)
    bearer = {"authorization": "Bearer key-1", "anthropic-version": "2023-06-01"}
    assert (await post(cloud, {}, headers=bearer))[0] == 200


@pytest.mark.parametrize("display", ["summarized", "omitted"])
async def test_it_takes_back_only_its_own_thoughts(cloud: SimulatedCloud, display: str) -> None:
    """With the signature as it came, of the same model; one that was not shown is in its signature."""
    fields = {"thinking": {"type": "adaptive", "display": display}}
    _, body = await post(cloud, fields)
    thought, call = json.loads(body)["content"]
    assert bool(thought["thinking"]) is (display == "summarized")
    result = heard(RESULT | {"tool_use_id": call["id"]})
    asked = fields | {"messages": [USER, said(thought, call), result]}
    assert (await post(cloud, asked))[0] == 200
    for wrong in (
        asked | {"model": "other"},
        asked | {"messages": [USER, said(thought | {"thinking": "Oh"}, call), result]},
        asked | {"messages": [USER, said(thought | {"signature": "c2ln"}, call), result]},
    ):
        status, body = await post(cloud, wrong)
        assert status == 400
        assert "messages.1.content.0: Invalid `signature` in `thinking` block" in body


def counts_of(body: str) -> tuple[int, int, int]:
    """Return the tokens that were neither written nor read, written, and read."""
    usage = json.loads(body)["usage"]
    return (
        usage["input_tokens"],
        usage["cache_creation_input_tokens"],
        usage["cache_read_input_tokens"],
    )


async def test_it_caches_what_is_marked_and_nothing_else(cloud: SimulatedCloud) -> None:
    """Each mark keeps all before it; a longer prompt reads that, and writes up to its own mark."""
    system = [{"type": "text", "text": "You are terse."} | MARK]
    plain = [{"type": "text", "text": "You are terse."}]
    _, first = await post(cloud, {"system": plain})
    _, second = await post(cloud, {"system": system})
    _, third = await post(cloud, {"system": system})
    marked = [heard(TEXT | MARK)]
    _, fourth = await post(cloud, {"system": system, "messages": marked})
    total = sum(counts_of(first))
    assert counts_of(first) == (total, 0, 0)
    rest, written, _ = counts_of(second)
    assert (rest + written, counts_of(third)) == (total, (rest, 0, written))
    assert counts_of(fourth)[2] == written
    assert counts_of(fourth)[1] > 0
    bill = cloud.bill().models["sim"]
    assert bill.prompt_tokens == sum(sum(counts_of(body)) for body in (first, second, third, fourth))
    assert bill.cached_tokens == 2 * written
    assert bill.cache_write_tokens == written + counts_of(fourth)[1]


def events_of(stream: str) -> list[Body]:
    """Return the events of a stream, each of which has its type before its data too."""
    events = []
    for block in stream.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


async def test_a_stream_tells_each_block_from_its_beginning_to_its_end(cloud: SimulatedCloud) -> None:
    """Blocks begin and end in their order, and a ping shows life; the counts are those of a whole answer."""
    _, body = await post(cloud, {"thinking": THINKING, "stream": True})
    events = events_of(body)
    kinds = [event["type"] for event in events if event["type"] != "content_block_delta"]
    assert kinds == [
        "message_start", "content_block_start", "ping", "content_block_stop",
        "content_block_start", "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    deltas = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert deltas == sorted(deltas, key=["thinking_delta", "signature_delta", "input_json_delta"].index)
    assert set(deltas) == {"thinking_delta", "signature_delta", "input_json_delta"}
    _, whole = await post(cloud, {"thinking": THINKING})
    usage = json.loads(whole)["usage"]
    assert events[-2]["usage"] == {key: usage[key] for key in events[-2]["usage"]}
    assert events[0]["message"]["usage"]["input_tokens"] == usage["input_tokens"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"max_tokens": 3}, "max_tokens"),
        ({"stop_sequences": ["simulated"]}, "stop_sequence"),
        ({"model": "sim+filtered=2"}, "refusal"),
        ({"model": "sim+refusal"}, "refusal"),
        ({"model": "sim+no-finish"}, None),
        ({"model": "sim+error-event=2"}, None),
        ({}, "end_turn"),
    ],
)
async def test_a_stream_says_why_it_ended(cloud: SimulatedCloud, fields: Body, reason: str | None) -> None:
    """By the stop reason; a stream that failed has none, and its last event is the error."""
    _, body = await post(cloud, {"stream": True, "tools": []} | fields)
    events = events_of(body)
    ends = [event["delta"] for event in events if event["type"] == "message_delta"]
    assert [end["stop_reason"] for end in ends] == ([] if reason is None else [reason])
    if reason == "stop_sequence":
        assert ends[0]["stop_sequence"] == "simulated"
    is_failed = "error-event" in fields.get("model", "")
    assert events[-1]["type"] == ("error" if is_failed else "message_stop")


async def test_the_count_of_tokens_is_that_of_the_answer_and_free(cloud: SimulatedCloud) -> None:
    """The same request has the same tokens, and only its answer is billed."""
    _, counted = await post(cloud, {"system": "Be terse"}, path="/messages/count_tokens")
    assert cloud.bill().requests == 0
    _, answered = await post(cloud, {"system": "Be terse"})
    assert json.loads(counted) == {"input_tokens": json.loads(answered)["usage"]["input_tokens"]}
