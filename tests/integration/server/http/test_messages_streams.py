"""Streams of the Messages API, judged by Anthropic's own client: in order, and no cut one taken for whole."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest

from gateway.domain.answer import Chunk, FinishReason, Usage
from gateway.domain.conversation import Reasoning, ToolCall
from gateway.errors import BackendFailed, StreamTruncated
from gateway.server.http.dialect import Served
from gateway.server.http.messages.messages_dialect import MessagesDialect
from gateway.server.http.opaque import unwrap
from gateway.testing.scripted import Delay, ScriptedBackend, Step, reply
from tests.support.anthropic_client import (
    HELLO,
    MODEL,
    PATIENCE_S,
    POLICY,
    USAGE,
    Json,
    asked,
    called,
    client_of,
    ended,
    events_of,
    posted,
    thought,
)
from tests.support.served import ANY_PORT, served
from tests.support.waiting import until

RAISED = (anthropic.AnthropicError, httpx2.HTTPError)
"""What the client raises; of a body that breaks off, its transport's own error."""
BODY: Json = {"model": MODEL, "max_tokens": 4096, "messages": [HELLO], "stream": True}
WEATHER: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
PIECES: list[Chunk] = [
    thought("They want "),
    thought("the weather."),
    thought("", b"signed"),
    Chunk(text="Let me "),
    Chunk(text="look."),
    *called("weather", '{"city": "Łódź"}', opaque=b"early"),
    *called("weather", "{}", index=1, late_opaque=b"late"),
]
EVERYTHING: Step = [*PIECES, ended(FinishReason.TOOL_CALLS)]


async def test_events_come_in_the_order_of_anthropic() -> None:
    """One block after the other, each with its index, its pieces and its stop."""
    async with asked([EVERYTHING]) as (client, _):
        status, sent = await posted(client, {**BODY, "tools": [WEATHER]})
    events = events_of(sent)
    assert status == 200
    assert all(name == data["type"] for name, data in events)
    assert [(name, data.get("index")) for name, data in events if "block_delta" not in name] == [
        ("message_start", None),
        *[(f"content_block_{word}", index) for index in range(6) for word in ("start", "stop")],
        ("message_delta", None),
        ("message_stop", None),
    ]
    start, end = events[0][1]["message"], events[-2][1]
    assert start["usage"]["input_tokens"] > 0
    assert (start["content"], start["stop_reason"], start["model"]) == ([], None, "able")
    assert end["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert end["usage"]["input_tokens"] == 13
    assert end["usage"]["output_tokens"] == USAGE.completion_tokens
    blocks = [data["content_block"] for name, data in events if name == "content_block_start"]
    assert blocks[:2] == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "text", "text": ""},
    ]
    assert blocks[3] == {"type": "tool_use", "id": "toolu_0", "name": "weather", "input": {}}
    pieces = [(data["index"], data["delta"]) for name, data in events if name == "content_block_delta"]
    assert [delta["thinking"] for index, delta in pieces if index == 0 and "thinking" in delta] == [
        "They want ",
        "the weather.",
    ]
    assert next(delta for index, delta in pieces if index == 3) == {
        "type": "input_json_delta",
        "partial_json": "",
    }


async def test_the_helper_puts_together_what_comes_whole() -> None:
    """The same content, and what the model wants back, in either form."""
    async with asked([EVERYTHING]) as (client, _):
        fields: Any = {"model": MODEL, "max_tokens": 4096, "messages": [HELLO], "tools": [WEATHER]}
        whole = await client.messages.create(**fields)
        kinds: list[str] = []
        async with client.messages.stream(**fields) as stream:
            async for event in stream:
                kinds.append(event.type)
            streamed = await stream.get_final_message()
    assert {"thinking", "signature", "text", "input_json"} <= set(kinds)

    def shown(message: Any) -> list[Json]:
        return [
            block.model_dump(exclude={"parsed_output", "citations", "caller"}) for block in message.content
        ]

    by_type = {"thinking": 0, "text": 1, "redacted_thinking": 2, "tool_use": 3}
    assert sorted(shown(streamed), key=lambda block: by_type[block["type"]]) == sorted(
        shown(whole), key=lambda block: by_type[block["type"]]
    )
    assert streamed.usage.model_dump() == whole.usage.model_dump()
    assert (streamed.stop_reason, streamed.model) == (whole.stop_reason, whole.model)


async def test_thoughts_and_signatures_of_calls_come_back_to_their_model() -> None:
    """Also where a signature came after its call had begun."""
    async with asked([EVERYTHING, [Chunk(text="Rain."), ended()]]) as (client, able):
        async with client.messages.stream(
            model=MODEL, max_tokens=4096, messages=[HELLO], tools=[WEATHER]
        ) as stream:
            first = await stream.get_final_message()
        results: Any = [
            {"type": "tool_result", "tool_use_id": f"toolu_{i}", "content": "Rain."} for i in range(2)
        ]
        said: Any = {"role": "assistant", "content": first.content}
        await client.messages.create(
            model=MODEL, max_tokens=9, messages=[HELLO, said, {"role": "user", "content": results}]
        )
    parts = able.calls[1].request.messages[1].parts
    assert parts[0] == Reasoning(text="They want the weather.", model="able", opaque=b"signed")
    assert [(part.opaque, part.model) for part in parts if isinstance(part, ToolCall)] == [
        (b"early", "able"),
        (b"late", "able"),
    ]


async def test_hidden_thoughts_come_as_their_signature_alone() -> None:
    """So that they can be given back, as Anthropic's own with `display: omitted`."""
    async with asked([[thought("Hm."), thought("", b"signed"), Chunk(text="Yes."), ended()]]) as (client, _):
        fields: Any = {"thinking": {"type": "adaptive", "display": "omitted"}}
        _, sent = await posted(client, {**BODY, **fields})
    deltas = [data["delta"] for name, data in events_of(sent) if name == "content_block_delta"]
    assert [delta["type"] for delta in deltas] == ["signature_delta", "text_delta"]
    assert unwrap(deltas[0]["signature"]) == ("able", b"signed")


async def test_the_decision_comes_with_the_end_on_request() -> None:
    """Once, beside the usage."""
    async with asked([EVERYTHING]) as (client, _):
        _, sent = await posted(client, BODY, headers={"x-gateway-decision": "true"})
    found = {name: data["gateway"] for name, data in events_of(sent) if "gateway" in data}
    assert list(found) == ["message_delta"]
    assert found["message_delta"]["decision"]["rule"] == "default"


def test_a_sign_of_life_is_an_event_that_clients_pass_over() -> None:
    """A comment line would do for the SDK, and not for all that read this API."""
    served_as = Served(request_id="r-1", created_unix_s=0, shows_decision=False)
    assert MessagesDialect().events(BODY, served_as).ping() == b'event: ping\ndata: {"type":"ping"}\n\n'


async def test_a_thought_without_a_signature_names_its_model() -> None:
    """Strict clients want one for every thought, and it must come back to the model that had it."""
    async with (
        asked([[thought("Hm."), Chunk(text="Yes."), ended()]]) as (client, _),
        client.messages.stream(model=MODEL, max_tokens=9, messages=[HELLO]) as stream,
    ):
        message = await stream.get_final_message()
    block = message.content[0]
    assert block.type == "thinking"
    assert unwrap(block.signature) == ("able", b"")


@pytest.mark.parametrize("sent", range(1, len(PIECES) + 1))
async def test_a_model_that_breaks_off_raises_in_the_client(sent: int) -> None:
    """After every piece; the client has no answer, and is told why."""
    broken: Step = [*PIECES[:sent], StreamTruncated("able", "the stream broke")]
    async with asked([broken]) as (client, _):
        status, raw = await posted(client, {**BODY, "tools": [WEATHER]})
        with pytest.raises(anthropic.APIStatusError) as raised:
            async with client.messages.stream(
                model=MODEL, max_tokens=4096, messages=[HELLO], tools=[WEATHER]
            ) as stream:
                await stream.until_done()
    told: Any = raised.value.body
    assert (told["type"], told["error"]["type"], told["error"]["code"]) == (
        "error",
        "api_error",
        "stream_truncated",
    )
    assert status == 200
    assert b"message_stop" not in raw
    assert events_of(raw)[-1][0] == "error"


async def test_a_failure_before_the_first_piece_is_a_status() -> None:
    """Nothing of a stream has come: the client may try again."""
    async with asked([BackendFailed("able", "down")]) as (client, _):
        with pytest.raises(anthropic.InternalServerError) as raised:
            async with client.messages.stream(model=MODEL, max_tokens=9, messages=[HELLO]) as stream:
                await stream.until_done()
    assert raised.value.status_code == 503


class Cutting:
    """Sends the beginning of a recorded response to whoever asks, and ends the connection."""

    def __init__(self, recording: bytes) -> None:
        self.recording = recording
        self.size = 0

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen while the block runs; yield the URL."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        writer.write(self.recording[: self.size])
        writer.close()


async def recorded(body: Json) -> bytes:
    """Return the gateway's response, byte for byte, with its headers."""
    raw = json.dumps(body).encode()
    able: Step = [Chunk(text="Hi."), ended(usage=Usage(prompt_tokens=3, completion_tokens=1))]
    models = {name: ScriptedBackend(name, [able]) for name in ("able", "plain")}
    async with served(models, http=ANY_PORT, policy=POLICY) as gateway:
        assert gateway.gateway.http is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.http.address.port)
        head = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
        async with asyncio.timeout(PATIENCE_S):
            response = await reader.read()
        writer.close()
    return response


async def test_a_cut_at_any_byte_raises_in_the_client() -> None:
    """Of the head (at some of its bytes) and of the body, to its very end: only all of it is an answer."""
    cutting = Cutting(await recorded(BODY))
    whole, head = len(cutting.recording), cutting.recording.index(b"\r\n\r\n")
    taken_for_whole: list[int] = []
    async with (
        cutting.serve() as url,
        anthropic.AsyncAnthropic(
            base_url=url, api_key="k", max_retries=0, timeout=PATIENCE_S, open_telemetry=False
        ) as client,
    ):

        async def ask() -> str:
            events = await client.messages.create(model=MODEL, max_tokens=9, messages=[HELLO], stream=True)
            return [event.type async for event in events][-1]

        for cutting.size in (*range(0, head, 32), *range(head, whole)):
            with contextlib.suppress(*RAISED):
                await ask()
                taken_for_whole.append(cutting.size)
        cutting.size = whole
        assert await ask() == "message_stop"
    assert whole > head + 800
    assert taken_for_whole == []


async def test_a_canned_reply_is_no_answer() -> None:
    """Not by default; where it is allowed, its model says what it is."""
    down: Step = BackendFailed("able", "down")
    async with asked([down]) as (client, _):
        with pytest.raises(anthropic.InternalServerError):
            async with client.messages.stream(model=MODEL, max_tokens=9, messages=[HELLO]) as stream:
                await stream.until_done()
        async with client.messages.stream(
            model=MODEL,
            max_tokens=9,
            messages=[HELLO],
            extra_headers={"x-gateway-allow-degraded": "true"},
        ) as stream:
            canned = await stream.get_final_message()
            headers = stream.response.headers
    assert canned.model == "canned:sorry"
    assert headers["x-gateway-model"] == "canned:sorry"
    assert canned.content[0].type == "text"
    assert canned.content[0].text == "Sorry."


async def test_leaving_a_stream_frees_the_model() -> None:
    """Whoever stops to read is no longer worked for."""
    waiting: Step = [Chunk(text="One "), Delay(3600.0), ended()]
    models = {"able": ScriptedBackend("able", [waiting]), "plain": ScriptedBackend("plain", [reply("x")])}
    async with served(models, http=ANY_PORT, policy=POLICY) as gateway, client_of(gateway) as client:
        async with client.messages.stream(model=MODEL, max_tokens=9, messages=[HELLO]) as stream:
            async for text in stream.text_stream:
                assert text == "One "
                break
        await until(lambda: len(models["able"].stopped) == 1)
        await until(lambda: gateway.calls.in_flight == 0)
