"""The cloud backend: what it sends, what it makes of answers, and that it lets go."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from gateway.backends.base import Call
from gateway.backends.openai.backend import CloudBackend
from gateway.backends.openai.chat_request import chat_body
from gateway.domain.answer import Chunk, FinishReason
from gateway.domain.request import GenerationConfig
from gateway.errors import BackendInvalid, NotCapable, StartupError
from gateway.policy.model import OpenAIModel
from gateway.simulate.server import SimulatedCloud
from tests.support.calls import call_of
from tests.support.cloud_calls import Ask, RawServer, backend_at, event_stream, streamed, whole
from tests.support.fakes import FakeClock
from tests.support.waiting import until

ASKS = [whole, streamed]


@pytest.fixture
async def cloud() -> AsyncIterator[SimulatedCloud]:
    """A provider that listens."""
    async with SimulatedCloud().serve() as running:
        yield running


def spec(**fields: object) -> OpenAIModel:
    """Return the spec of a model."""
    return OpenAIModel.model_validate({"kind": "openai", "model": "gpt", "clearance": "public", **fields})


EVERYTHING = GenerationConfig(
    temperature=0.0, top_p=0.5, seed=7, stop=("END",), json_schema='{"type": "object"}'
)


def body_of(call: Call, model: OpenAIModel, *, is_stream: bool = False) -> dict[str, object]:
    """Return what is sent of a call."""
    assert call.permit is not None
    return chat_body("cloud", model, call.permit, call.max_tokens, is_stream=is_stream)


def test_everything_that_is_set_is_sent_and_nothing_else() -> None:
    """The body holds the caller's words and numbers; no label, tenant, request id or user."""
    call = call_of("Hi", config=EVERYTHING, max_tokens=50)
    assert body_of(call, spec()) == {
        "model": "gpt",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 50,
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": 7,
        "stop": ["END"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}},
        },
    }


def test_what_is_unset_is_left_to_the_provider() -> None:
    """An empty config sends the messages and the bound that was reserved."""
    body = body_of(call_of(), spec())
    assert set(body) == {"model", "messages", "max_completion_tokens"}


def test_a_stream_asks_for_its_token_counts() -> None:
    """Without them the ledger would charge the whole reservation."""
    body = body_of(call_of(), spec(), is_stream=True)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, "max_completion_tokens"),
        ({"base_url": "http://host/v1"}, "max_tokens"),
        ({"max_tokens_field": "max_tokens"}, "max_tokens"),
        (
            {"base_url": "http://host/v1", "max_tokens_field": "max_completion_tokens"},
            "max_completion_tokens",
        ),
    ],
)
def test_the_bound_goes_by_the_name_that_the_provider_knows(fields: dict[str, object], sent: str) -> None:
    """OpenAI takes max_completion_tokens, most others max_tokens; the policy may say."""
    body = body_of(call_of(max_tokens=9), spec(**fields))
    assert {key: value for key, value in body.items() if "tokens" in key} == {sent: 9}


def test_what_a_model_refuses_is_dropped() -> None:
    """Parameters under `drop` are not sent, even when the caller set them."""
    body = body_of(call_of(config=EVERYTHING), spec(drop=["temperature", "top_p", "seed"]))
    assert not {"temperature", "top_p", "seed"} & set(body)


def test_the_policy_s_sampling_is_sent_where_the_caller_says_nothing() -> None:
    """The caller's own value wins, and what is dropped stays away."""
    model = spec(sampling={"temperature": 0.3, "top_p": 0.9})
    body = body_of(call_of(config=GenerationConfig(top_p=0.5)), model)
    assert (body["temperature"], body["top_p"]) == (0.3, 0.5)
    dropping = spec(sampling={"temperature": 0.3}, drop=["temperature"])
    assert "temperature" not in body_of(call_of(), dropping)


def test_a_schema_is_not_dropped_in_silence() -> None:
    """A model without response_format cannot be held to a schema, so it gets no request with one."""
    with pytest.raises(NotCapable, match="drops response_format"):
        body_of(call_of(config=EVERYTHING), spec(drop=["response_format"]))


@pytest.mark.parametrize("ask", ASKS)
async def test_a_schema_that_is_not_json_is_the_callers_mistake(cloud: SimulatedCloud, ask: Ask) -> None:
    """It is refused before anything is sent, without a word of it in the error."""
    config = GenerationConfig(json_schema="{secret")
    async with backend_at(cloud.base_url) as backend:
        with pytest.raises(BackendInvalid, match=r"^cloud: json_schema is not JSON$"):
            await ask(backend, call_of(config=config))
    assert cloud.received() == ()


@pytest.mark.parametrize("ask", ASKS)
async def test_an_answer_comes_with_its_finish_reason_and_tokens(cloud: SimulatedCloud, ask: Ask) -> None:
    """Text, finish reason and usage are the provider's, and the usage is what it billed."""
    async with backend_at(cloud.base_url) as backend:
        reply = await ask(backend, call_of())
    billed = cloud.bill().models["sim"]
    assert reply.text.startswith("This is sim, a simulated model.")
    assert reply.finish_reason is FinishReason.STOP
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (
        billed.prompt_tokens,
        billed.completion_tokens,
    )


@pytest.mark.parametrize("ask", ASKS)
async def test_the_bound_that_was_reserved_is_respected(cloud: SimulatedCloud, ask: Ask) -> None:
    """max_tokens of the call reaches the provider, which ends with finish reason LENGTH."""
    async with backend_at(cloud.base_url) as backend:
        reply = await ask(backend, call_of(max_tokens=3))
    assert (reply.text, reply.finish_reason) == ("This is sim", FinishReason.LENGTH)
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 3


async def test_a_schema_is_answered_with_json(cloud: SimulatedCloud) -> None:
    """The schema reaches the provider as one, not as text."""
    config = GenerationConfig(json_schema='{"type": "object", "properties": {"n": {"const": 4}}}')
    async with backend_at(cloud.base_url) as backend:
        assert json.loads((await backend.generate(call_of(config=config))).text) == {"n": 4}


async def test_a_stream_comes_in_pieces(cloud: SimulatedCloud) -> None:
    """Only the last piece has a finish reason, and nothing else; a piece without text shows life."""
    async with backend_at(cloud.base_url) as backend:
        chunks = [chunk async for chunk in backend.stream(call_of())]
    assert sum(chunk.pieces for chunk in chunks if chunk.text) > 10
    assert all(chunk.finish_reason is None and chunk.usage is None for chunk in chunks[:-1])
    assert (chunks[-1].text, chunks[-1].finish_reason) == ("", FinishReason.STOP)
    assert chunks[-1].usage is not None


async def test_no_key_sends_no_authorization(cloud: SimulatedCloud) -> None:
    """A model without api_key_env is asked without the header, whatever the SDK insists on."""
    async with backend_at(cloud.base_url, api_key=None) as backend:
        await backend.generate(call_of())
        await streamed(backend, call_of())
    names = {name.lower() for received in cloud.received() for name, _ in received.headers}
    assert "content-type" in names
    assert "authorization" not in names


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("k3y\n", {}),
        ("k3y two", {}),
        ("k3y\u00fc", {}),
        ("k3y", {"organization": "a\r\nX-Injected: b"}),
        ("k3y", {"project": "\u2603"}),
        ("k3y", {"base_url": "http://[::"}),
        ("k3y", {"proxy": "http://[::"}),
    ],
)
async def test_what_cannot_be_sent_stops_the_start(key: str, fields: dict[str, object]) -> None:
    """A key with a line end, or a URL that is none, is found at start, and no key is in the message."""
    with pytest.raises(StartupError, match=r"\Acloud: [^\n]+\Z") as raised:
        CloudBackend("cloud", spec(**fields), api_key=key, clock=FakeClock())
    assert "k3y" not in str(raised.value)


async def test_connections_are_used_again() -> None:
    """Two streams that ended well share one connection, so that a handshake is paid once."""
    finish = b'{"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}'
    async with (
        RawServer(event_stream(finish, b"[DONE]")).serve() as server,
        backend_at(server.base_url) as backend,
    ):
        assert [(await streamed(backend, call_of())).text for _ in range(2)] == ["x", "x"]
    assert server.connections == 1


@pytest.mark.parametrize("ask", ASKS)
async def test_cancel_before_an_answer_closes_the_connection(cloud: SimulatedCloud, ask: Ask) -> None:
    """The provider sees the caller leave, and nothing waits for its answer."""
    async with backend_at(cloud.base_url, model="sim+silence") as backend:
        task = asyncio.ensure_future(ask(backend, call_of()))
        await until(lambda: cloud.bill().requests == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: cloud.bill().disconnects == 1)


async def test_cancel_in_the_middle_of_a_stream_closes_the_connection(cloud: SimulatedCloud) -> None:
    """The provider sees the caller leave while it is silent, so it need not go on."""
    chunks: list[Chunk] = []

    async def read() -> None:
        async for chunk in backend.stream(call_of()):
            chunks.extend([chunk] if chunk.text else [])

    async with backend_at(cloud.base_url, model="sim+stall=2") as backend:
        task = asyncio.create_task(read())
        await until(lambda: sum(chunk.pieces for chunk in chunks) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: cloud.bill().disconnects == 1)


async def test_a_stream_that_is_left_early_closes_the_connection(cloud: SimulatedCloud) -> None:
    """Closing the iterator is enough; the provider bills what it had sent."""
    async with backend_at(cloud.base_url, model="sim+stall=2") as backend:
        stream = backend.stream(call_of())
        await anext(stream)
        await stream.aclose()
        await until(lambda: cloud.bill().disconnects == 1)
