"""The Responses API over real HTTP: asked at its own path, whole and streamed, and its failures."""

import json

import pytest

from gateway.domain.answer import FinishReason
from gateway.errors import BackendRateLimited, StreamTruncated
from tests.support.calls import call_of
from tests.support.cloud_calls import RawServer, backend_at, event_stream, http

CALL = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "dig", "arguments": '{"a":1}'}
DONE = {
    "status": "completed",
    "error": None,
    "output": [CALL],
    "usage": {"input_tokens": 9, "output_tokens": 5},
}
BEGUN = {"type": "response.output_item.added", "output_index": 0, "item": CALL | {"arguments": '{"a"'}}
ENDED = {"type": "response.completed", "response": DONE}
FAILED = {"type": "error", "code": "rate_limit_exceeded", "message": "x"}


async def test_an_answer_comes_whole_and_streamed() -> None:
    """The same call either way."""
    stream = event_stream(*(json.dumps(each).encode() for each in (BEGUN, ENDED)))
    for answer in (http(200, json.dumps(DONE).encode()), stream):
        async with (
            RawServer(answer).serve() as server,
            backend_at(server.base_url, api="responses") as backend,
        ):
            reply = await backend.generate(call_of())
        assert server.received[0].startswith(b"POST /v1/responses ")
        assert json.loads(server.received[0].split(b"\r\n\r\n")[1])["store"] is False
        assert (reply.finish_reason, reply.tool_calls[0].name) == (FinishReason.TOOL_CALLS, "dig")


@pytest.mark.parametrize(
    ("events", "ours"),
    [([FAILED], BackendRateLimited), ([BEGUN, FAILED], StreamTruncated), ([BEGUN], StreamTruncated)],
)
async def test_a_failure_is_what_it_is_until_something_came(
    events: list[object], ours: type[Exception]
) -> None:
    """Then the stream is cut."""
    stream = event_stream(*(json.dumps(each).encode() for each in events))
    async with RawServer(stream).serve() as server, backend_at(server.base_url, api="responses") as backend:
        with pytest.raises(ours):
            assert [chunk async for chunk in backend.stream(call_of())] == []
