"""Other clients of chat completions: the blocking one, Azure's, and LangChain's."""

import asyncio
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field, SecretStr

from gateway.domain.answer import Chunk, FinishReason
from gateway.domain.conversation import Text, ToolResult
from gateway.errors import StreamTruncated
from gateway.server.http import event_stream
from gateway.testing.scripted import Delay, ScriptedBackend, Step
from tests.support.openai_client import MODEL, PATIENCE_S, SMART, USAGE, asked, called, ended
from tests.support.raw_http import CHAT, exchanged, said
from tests.support.served import ANY_PORT, Served, served

HELLO: Step = [Chunk(text="Hello, "), Chunk(text="you."), ended()]
LOOKED: Step = [*called("weather", '{"city": "Turin"}'), ended(FinishReason.TOOL_CALLS)]


class Weather(BaseModel):
    """What the weather is like in a city."""

    city: str = Field(description="its name")


@pytest.fixture(autouse=True)
def _says_nothing_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain can report what it does: not from tests."""
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "false")


def lang_chain(gateway: Served, **settings: Any) -> ChatOpenAI:
    """Return LangChain's model, which tries once."""
    return ChatOpenAI(
        model=MODEL,
        base_url=f"{gateway.http_url}/v1",
        api_key=SecretStr("unused"),
        max_retries=0,
        timeout=PATIENCE_S,
        **settings,
    )


def smart(*steps: Step) -> dict[str, ScriptedBackend]:
    """Return the model, with a script."""
    return {"smart": ScriptedBackend("smart", steps)}


async def test_the_blocking_client() -> None:
    """Whole and streamed."""

    def ask(url: str) -> tuple[str | None, str]:
        with openai.OpenAI(base_url=url, api_key="unused", max_retries=0, timeout=PATIENCE_S) as client:
            whole = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "hello"}]
            )
            with client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
            ) as stream:
                text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        return whole.choices[0].message.content, text

    async with served(smart(HELLO), http=ANY_PORT, policy=SMART) as gateway:
        assert await asyncio.to_thread(ask, f"{gateway.http_url}/v1") == ("Hello, you.", "Hello, you.")


async def test_azures_client() -> None:
    """The deployment in its path is the model; its key comes in a header of its own."""
    async with (
        served(smart(HELLO), http=ANY_PORT, policy=SMART) as gateway,
        openai.AsyncAzureOpenAI(
            azure_endpoint=gateway.http_url,
            api_version="2024-10-21",
            api_key="unused",
            max_retries=0,
            timeout=PATIENCE_S,
        ) as client,
    ):
        answer = await client.chat.completions.create(
            model="smart", messages=[{"role": "user", "content": "hello"}]
        )
        assert answer.choices[0].message.content == "Hello, you."
        with pytest.raises(openai.NotFoundError) as raised:
            await client.chat.completions.create(
                model="none", messages=[{"role": "user", "content": "hello"}]
            )
    assert raised.value.code == "model_not_found"


async def test_langchain_streams_with_usage() -> None:
    """Text in pieces, and every token counted once."""
    async with served(smart(HELLO), http=ANY_PORT, policy=SMART) as gateway:
        chat = lang_chain(gateway, stream_usage=True)
        pieces = [piece async for piece in chat.astream("hello")]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    assert whole.text == "Hello, you."
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["input_tokens"] == USAGE.prompt_tokens
    assert whole.usage_metadata["input_token_details"]["cache_read"] == USAGE.cached_prompt_tokens
    assert whole.usage_metadata["output_token_details"]["reasoning"] == USAGE.reasoning_tokens


@pytest.mark.parametrize("streaming", [False, True])
async def test_langchain_calls_tools(streaming: bool) -> None:
    """`bind_tools`, and the conversation that goes on with the result."""
    backends = smart(LOOKED, HELLO)
    async with served(backends, http=ANY_PORT, policy=SMART) as gateway:
        chat = lang_chain(gateway, streaming=streaming).bind_tools([Weather])
        question = HumanMessage("What is the weather in Turin?")
        first = await chat.ainvoke([question])
        assert isinstance(first, AIMessage)
        (call,) = first.tool_calls
        assert (call["name"], call["args"]) == ("weather", {"city": "Turin"})
        result = ToolMessage("sunny", tool_call_id=call["id"])
        assert (await chat.ainvoke([question, first, result])).text == "Hello, you."
    sent = backends["smart"].calls[1].request.messages
    assert sent[1].tool_calls[0].name == "weather"
    assert sent[2].parts == (ToolResult(tool_call_id="call_0", parts=(Text("sunny"),)),)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_langchain_parses_answers(method: str) -> None:
    """`with_structured_output`, by each of its ways."""
    arguments = '{"city": "Turin"}'
    step: Step = (
        [*called("Weather", arguments), ended(FinishReason.TOOL_CALLS)]
        if method == "function_calling"
        else [Chunk(text=arguments), ended()]
    )
    async with served(smart(step), http=ANY_PORT, policy=SMART) as gateway:
        chat = lang_chain(gateway).with_structured_output(Weather, method=method)  # type: ignore[arg-type]
        assert await chat.ainvoke("Answer in JSON: where?") == Weather(city="Turin")


async def test_langchain_raises_for_a_stream_that_breaks() -> None:
    """What it has read is not the answer."""
    broken: Step = [Chunk(text="Half"), StreamTruncated("smart", "broke off")]
    async with served(smart(broken), http=ANY_PORT, policy=SMART) as gateway:
        pieces = lang_chain(gateway).astream("hello")
        with pytest.raises(openai.APIError):
            [piece async for piece in pieces]


async def test_signs_of_life_are_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is silent is kept alive by comments, which no client takes for a piece."""
    monkeypatch.setattr(event_stream, "PING_EVERY_S", 0.05)
    slow: Step = [Chunk(text="Hello, "), Delay(1.0), Chunk(text="you."), ended()]
    async with served(smart(slow), http=ANY_PORT, policy=SMART) as gateway:
        told = await exchanged(gateway.http_address, CHAT, said(stream=True))
    assert told.text.count(b": ping\n\n") >= 2
    assert told.is_whole
    async with asked([slow]) as (client, _):
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
        )
        texts = [chunk.choices[0].delta.content async for chunk in stream]
    assert texts == ["", "Hello, ", "you.", None]
