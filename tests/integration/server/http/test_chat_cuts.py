"""A stream that ends early is never taken for whole, wherever it is cut; OpenAI's client is the judge."""

from contextlib import suppress
from typing import Any

import openai
import pytest

from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta
from gateway.errors import StreamTruncated
from gateway.testing.scripted import Act, ScriptedBackend
from tests.support.openai_client import MODEL, PATIENCE_S, SMART, asked, called, ended
from tests.support.raw_http import CHAT, connected, recorded_response, said
from tests.support.replayed import Replay
from tests.support.served import ANY_PORT, served

PIECES: dict[str, list[Act]] = {
    "text": [Chunk(text="Hi"), Chunk(text=" you"), ended()],
    "call": [
        Chunk(reasoning=(ReasoningDelta(text="I look."),)),
        *called("f", "{}"),
        ended(FinishReason.TOOL_CALLS),
    ],
}
DONE = b"data: [DONE]\n\n"


async def recorded(kind: str) -> bytes:
    """Return every byte of a whole streamed response."""
    smart = ScriptedBackend("smart", [PIECES[kind]])
    async with (
        served({"smart": smart}, http=ANY_PORT, policy=SMART) as gateway,
        connected(gateway.http_address) as connection,
    ):
        body = said(stream=True, stream_options={"include_usage": True})
        return await recorded_response(connection, CHAT, body)


async def outcome(client: openai.AsyncOpenAI) -> list[Any]:
    """Read a stream to its end; raises what the client raises."""
    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
    )
    return [chunk async for chunk in stream]


@pytest.mark.slow
@pytest.mark.parametrize("kind", PIECES)
async def test_a_cut_at_any_byte_of_the_body_raises(kind: str) -> None:
    """Until the word that ends the stream has come, the client raises; then it has everything."""
    replay = Replay(await recorded(kind))
    end = replay.response.index(DONE) + len(DONE)
    async with replay.serving():
        url = f"http://127.0.0.1:{replay.port}/v1"
        async with openai.AsyncOpenAI(
            base_url=url, api_key="unused", max_retries=0, timeout=PATIENCE_S
        ) as client:
            whole = len(await outcome(client))
            for length in range(replay.response.index(b"\r\n\r\n"), len(replay.response)):
                replay.length = length
                got = 0
                with suppress(Exception):  # The client raises errors of its HTTP library, too.
                    got = len(await outcome(client))
                assert got == (whole if length >= end else 0), length


@pytest.mark.parametrize("kind", PIECES)
async def test_a_model_that_breaks_off_after_any_piece_raises(kind: str) -> None:
    """Before the first piece as a status, after it as an event: an exception in either case."""
    pieces = PIECES[kind]
    cuts: list[list[Act]] = [
        [*pieces[:count], StreamTruncated("smart", "broke off")] for count in range(len(pieces))
    ]
    async with asked(cuts) as (client, model):
        for _ in cuts:
            with pytest.raises(openai.APIError):
                await outcome(client)
    assert len(model.calls) == len(cuts)
