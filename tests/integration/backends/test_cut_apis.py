"""Answers of the Responses and Messages APIs that are cut: none is taken for whole, and none is changed."""

import pytest

from gateway.backends.anthropic.reader import MessageReader
from gateway.backends.anthropic.tools import ReplyForm
from gateway.backends.http.bounds import UnreadableAnswer
from gateway.backends.http.events import EventReader
from gateway.backends.openai.responses_answers import ResponsesReader
from gateway.domain.answer import FinishReason, Reply
from gateway.domain.assembly import assembled
from gateway.domain.conversation import Message, ReasoningConfig, ReasoningEffort, Role, Tool
from gateway.domain.request import GenerationConfig
from gateway.errors import BackendError
from gateway.simulate.dialects.table import DIALECTS
from tests.support.cut_server import CutServer, recorded, until_close
from tests.support.provider_bytes import BOUNDS
from tests.support.simulated_calls import ask, opened

PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}}
USER = {"role": "user", "content": "Add 7"}
ASKED: dict[str, tuple[str, dict[str, object]]] = {
    "responses": (
        "/responses",
        {
            "model": "sim",
            "input": [USER],
            "tools": [{"type": "function", "name": "add", "parameters": PARAMETERS}],
            "reasoning": {"effort": "minimal", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        },
    ),
    "anthropic": (
        "/messages",
        {
            "model": "sim",
            "messages": [USER],
            "max_tokens": 2000,
            "tools": [{"name": "add", "input_schema": PARAMETERS}],
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "low"},
        },
    ),
}
FIELDS: dict[str, dict[str, object]] = {
    "responses": {"kind": "openai", "model": "sim", "clearance": "public", "api": "responses"},
    "anthropic": {"kind": "anthropic", "model": "sim", "clearance": "public", "thinking": "adaptive"},
}
CONFIG = GenerationConfig(
    tools=(Tool(name="add"),), reasoning=ReasoningConfig(effort=ReasoningEffort.MINIMAL)
)
STEP = 23
"""Bytes from one cut of a long answer to the next; the readers alone are cut at every one."""


@pytest.mark.parametrize("is_framed", [True, False], ids=["framed", "until-close"])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["unary", "streamed"])
@pytest.mark.parametrize("name", list(ASKED))
async def test_a_cut_answer_is_an_error(name: str, is_streamed: bool, is_framed: bool) -> None:
    """Its thought and its call are whole, or the call of the backend fails with an error of ours."""
    path, body = ASKED[name]
    raw = await recorded(DIALECTS[name], path, body | {"stream": is_streamed})
    recording = raw if is_framed else until_close(raw)
    cuts = 0
    async with (
        CutServer(recording).serve() as server,
        opened(FIELDS[name], base_url=server.base_url) as backend,
    ):

        async def reply() -> Reply:
            said = Message(role=Role.USER, content="Add 7")
            return (await ask(backend, said, is_streamed=is_streamed, config=CONFIG))[0]

        server.size = len(recording)
        whole = await reply()
        assert (whole.finish_reason, len(whole.tool_calls)) == (FinishReason.TOOL_CALLS, 1)
        assert whole.tool_calls[0].arguments_json == '{"a": 7}'
        assert whole.reasoning[0].text
        assert whole.reasoning[0].opaque
        assert whole.usage is not None
        for size in range(0, len(recording), STEP):
            server.size = size
            try:
                assert await reply() == whole, f"cut after {size} bytes"
            except BackendError:
                cuts += 1
    assert cuts > len(recording) // STEP * 0.6


def read(name: str, raw: bytes) -> Reply:
    """Read a stream without a connection; raises UnreadableAnswer, ErrorEvent."""
    events = EventReader(BOUNDS)
    reader = (
        ResponsesReader(BOUNDS, lambda _: None)
        if name == "responses"
        else MessageReader(BOUNDS, lambda _: None, ReplyForm())
    )
    chunks = [reader.feed(event) for event in events.feed(raw)]
    chunks += [reader.feed(event) for event in events.rest(is_needed=not reader.may_be_over)]
    return assembled([*chunks, reader.last_chunk()]).reply()


@pytest.mark.parametrize("name", list(ASKED))
async def test_a_stream_that_is_cut_at_any_byte_is_no_answer(name: str) -> None:
    """Until the event that says why it ended is there, whatever came; from then on it is whole."""
    path, body = ASKED[name]
    short = body | {"model": "sim+filtered=5", "stream": True}
    raw = until_close(await recorded(DIALECTS[name], path, short)).partition(b"\r\n\r\n")[2]
    whole = read(name, raw)
    assert whole.finish_reason is FinishReason.CONTENT_FILTER
    last = b"event: response.incomplete" if name == "responses" else b"event: message_delta"
    decided = raw.index(b"\n\n", raw.index(last))
    for size in range(decided):
        with pytest.raises(UnreadableAnswer):
            read(name, raw[:size])
    for size in range(decided, len(raw)):
        assert read(name, raw[:size]) == whole
