"""The simulated Responses API: what it refuses of a conversation, and how its streams end."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.server import SimulatedCloud

Body = dict[str, Any]
USER: Body = {"role": "user", "content": "Add 1 and 2"}
TOOL: Body = {"type": "function", "name": "add", "parameters": {"type": "object", "properties": {}}}
CALL: Body = {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": "{}"}
RESULT: Body = {"type": "function_call_output", "call_id": "call_1", "output": "3"}


@pytest.fixture
async def cloud() -> AsyncIterator[SimulatedCloud]:
    """A provider that has the Responses API alone."""
    async with SimulatedCloud(dialect=DIALECTS["responses"]).serve() as running:
        yield running


async def post(cloud: SimulatedCloud, path: str = "/responses", **fields: object) -> tuple[int, str]:
    """Return status and body of the answer to a request."""
    body = {"model": "sim", "input": [USER], **fields}
    async with (
        aiohttp.ClientSession() as http,
        http.post(cloud.base_url + path, json=body) as response,
    ):
        return response.status, await response.text()


def events_of(stream: str) -> list[Body]:
    """Return the events of a stream, each of which has its type before its data too."""
    events = []
    for block in stream.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"input": [USER, CALL]}, 400, "No tool output found for function call call_1"),
        ({"input": [USER, RESULT]}, 400, "No tool call found for function call output"),
        ({"input": [USER, RESULT, CALL]}, 400, "No tool call found"),
        ({"input": [USER, CALL, RESULT | {"type": "custom_tool_call_output"}]}, 400, "No tool call found"),
        ({"input": [USER, CALL | {"id": "msg_1"}, RESULT]}, 400, "must begin with 'fc'"),
        ({"input": [USER, CALL | {"call_id": "c" * 65}, RESULT]}, 400, "1 to 64 characters"),
        ({"input": [USER, {"type": "item_reference", "id": "rs_1"}]}, 404, "'rs_1' not found"),
        ({"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]}, 400, "input_text"),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
            400,
            "output_t",
        ),
        ({"input": []}, 400, "input must be"),
        ({"previous_response_id": "resp_1"}, 400, "previous_response_not_found"),
        ({"messages": [USER]}, 400, "unknown_parameter"),
        ({"stop": ["x"]}, 400, "unknown_parameter"),
        ({"max_output_tokens": 15}, 400, "16 or more"),
        ({"include": ["thoughts"]}, 400, "include"),
        ({"tools": [{"type": "web_search"}]}, 400, "no tool runs here"),
        ({"tools": [TOOL | {"strict": True}]}, 400, "'additionalProperties' is required"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "sub"}}, 400, "tool_choice"),
        ({"text": {"format": {"type": "json_object"}}}, 400, "word 'json'"),
    ],
)
async def test_it_refuses_what_openai_refuses(
    cloud: SimulatedCloud, fields: Body, status: int, words: str
) -> None:
    """A conversation with a part that lacks or is too much gets an error that names it, and is not billed."""
    answered = await post(cloud, **fields)
    assert answered[0] == status
    assert words in answered[1]
    assert json.loads(answered[1])["error"].keys() == {"message", "type", "param", "code"}
    assert cloud.bill().billed_usd_nanos == 0


async def thought_of(cloud: SimulatedCloud, model: str = "sim") -> tuple[Body, Body]:
    """Return a thought, and the call that followed it."""
    fields: Body = {
        "tools": [TOOL],
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
    }
    _, body = await post(cloud, model=model, **fields)
    thought, call = json.loads(body)["output"]
    return thought, call


async def test_it_takes_back_only_its_own_thoughts(cloud: SimulatedCloud) -> None:
    """As it came, before what followed it: neither changed, nor another model's, nor alone."""
    thought, call = await thought_of(cloud)
    others, _ = await thought_of(cloud, "other")
    sealed = thought["encrypted_content"]
    result = RESULT | {"call_id": call["call_id"]}
    changed = thought | {"encrypted_content": sealed[:-4] + ("AAAA" if sealed[-4:] != "AAAA" else "BBBB")}
    assert (await post(cloud, input=[USER, thought, call, result]))[0] == 200
    for wrong in (changed, others):
        status, body = await post(cloud, input=[USER, wrong, call, result])
        assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_encrypted_content")
    status, body = await post(cloud, input=[USER, thought])
    assert status == 400
    assert "without its required following item" in body
    kept = {key: value for key, value in thought.items() if key != "encrypted_content"}
    assert (await post(cloud, input=[USER, kept, call, result]))[0] == 404


async def test_a_stream_tells_each_item_from_its_beginning_to_its_end(cloud: SimulatedCloud) -> None:
    """Deltas join to what the end of a part says, and the items that ended are those of the response."""
    fields: Body = {"reasoning": {"effort": "minimal", "summary": "auto"}, "top_logprobs": 2}
    include = ["reasoning.encrypted_content", "message.output_text.logprobs"]
    _, body = await post(cloud, stream=True, include=include, **fields)
    events = events_of(body)
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    (done,) = (event for event in events if event["type"] == "response.output_text.done")
    assert text == done["text"]
    assert "".join(each["token"] for each in done["logprobs"]) == text
    ended = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    last = events[-1]["response"]
    assert last["output"] == ended
    assert last["usage"]["output_tokens_details"] == {"reasoning_tokens": 4}
    _, whole = await post(cloud, include=include, **fields)
    parts = [json.loads(whole)["output"][1]["content"], ended[1]["content"]]
    assert parts[0] == parts[1]


@pytest.mark.parametrize(
    ("model", "fields", "kind", "reason"),
    [
        ("sim", {"max_output_tokens": 16}, "response.incomplete", "max_output_tokens"),
        ("sim+filtered=2", {}, "response.incomplete", "content_filter"),
        ("sim+error-event=2", {}, "response.failed", None),
        ("sim+no-finish", {}, "response.output_text.delta", None),
    ],
)
async def test_a_stream_that_is_no_whole_answer_says_so(
    cloud: SimulatedCloud, model: str, fields: Body, kind: str, reason: str | None
) -> None:
    """By its last event; an error has an event of its own before it."""
    _, body = await post(cloud, model=model, stream=True, **fields)
    *before, last = events_of(body)
    assert last["type"] == kind
    assert (last.get("response", {}).get("incomplete_details") or {}).get("reason") == reason
    assert ("error" in [event["type"] for event in before]) is (kind == "response.failed")


async def test_the_count_of_tokens_is_that_of_the_answer_and_free(cloud: SimulatedCloud) -> None:
    """The same request has the same tokens, and only its answer is billed."""
    _, counted = await post(cloud, "/responses/input_tokens", instructions="Be terse", tools=[TOOL])
    assert cloud.bill().requests == 0
    _, answered = await post(cloud, instructions="Be terse", tools=[TOOL])
    assert json.loads(counted) == {
        "object": "response.input_tokens",
        "input_tokens": json.loads(answered)["usage"]["input_tokens"],
    }
