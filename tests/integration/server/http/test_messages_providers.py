"""Anthropic's client, the gateway, and a simulated Anthropic behind it: what one says, the other is told."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest

from gateway.simulate.dialects.table import DIALECTS
from gateway.simulate.server import SimulatedCloud
from tests.support.anthropic_client import MODEL, POLICY, client_of
from tests.support.cut_server import CutServer, recorded
from tests.support.served import ANY_PORT, served

TEXT = "What is 12.5 % of 840, and which day is it?"
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"percent": {"type": "number"}, "number": {"type": "number"}},
}
TOOLS: Any = [
    {"name": "percent_of", "description": "Computes a percentage of a number.", "input_schema": SCHEMA},
    {"name": "today", "description": "Says which day it is.", "input_schema": {"type": "object"}},
]
ASKED: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 4096,
    "tools": TOOLS,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}
PARTS = 16
USER: Any = {"role": "user", "content": TEXT}


@contextlib.asynccontextmanager
async def asking(base_url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Run a gateway in front of a provider of the Messages API; yield a client of it."""
    policy = POLICY.replace(
        'model: m, base_url: "http://127.0.0.1:9/v1"',
        f'model: sim, base_url: "{base_url}", api_key_env: PROVIDER_KEY, reasoning: true, thinking: budget',
    )
    async with (
        served({}, http=ANY_PORT, policy=policy, environ={"PROVIDER_KEY": "key-1"}) as gateway,
        client_of(gateway) as client,
    ):
        yield client


async def test_a_loop_of_tools_with_signed_thoughts() -> None:
    """The provider takes back only thoughts that it has signed, whole: they come through as they were."""
    async with (
        SimulatedCloud(dialect=DIALECTS["anthropic"]).serve() as cloud,
        asking(cloud.base_url) as client,
    ):
        async with client.messages.stream(messages=[USER], **ASKED) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(messages=[USER], **ASKED)
        shown = [[block.model_dump() for block in each.content] for each in (streamed, whole)]
        results: Any = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "105"}
            for block in whole.content
            if block.type == "tool_use"
        ]
        ended = await client.messages.create(
            messages=[USER, whole.to_param(), {"role": "user", "content": results}], **ASKED
        )
    assert [block["type"] for block in shown[0]] == ["thinking", "tool_use", "tool_use"]
    assert shown[0] == shown[1]
    assert whole.stop_reason == "tool_use"
    assert ended.content[-1].type == "text"
    assert ended.content[-1].text == "The tools say: 105; 105."


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_provider_that_breaks_off_raises_in_the_client(part: int) -> None:
    """Wherever; every byte of it is tried where providers are read, here three of each part.

    More failures of one gateway would open its breaker.
    """
    body = {**ASKED, "model": "sim", "messages": [USER], "stream": True}
    recording = await recorded(DIALECTS["anthropic"], "/messages", body)
    head = recording.index(b"\r\n\r\n") + 4
    # Behind its stop reason an answer is whole, whatever else is missing.
    stop = recording.index(b"stop_reason", recording.index(b"message_delta"))
    begin, end = (head + (stop - head) * each // PARTS for each in (part, part + 1))
    server = CutServer(recording)
    taken_for_whole: list[int] = []
    async with server.serve(), asking(server.base_url) as client:
        for server.size in (begin, (begin + end) // 2, end - 1):
            with contextlib.suppress(anthropic.APIError):
                async with client.messages.stream(messages=[USER], **ASKED) as stream:
                    await stream.get_final_message()
                taken_for_whole.append(server.size)
        server.size = len(recording)
        async with client.messages.stream(messages=[USER], **ASKED) as stream:
            assert (await stream.get_final_message()).stop_reason == "tool_use"
    assert taken_for_whole == []
