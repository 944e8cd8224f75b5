"""OpenAI's own client, asking a gateway in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai

from gateway.domain.answer import Chunk, FinishReason, ToolCallDelta, Usage
from gateway.testing.scripted import Script, ScriptedBackend
from tests.support.served import ANY_PORT, Served, served

PATIENCE_S = 60.0
SMART = """
version: 1
models:
  smart: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: restricted,
          modalities: [text, image, file], tools: true, custom_tools: true, reasoning: true, logprobs: true,
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [smart]}]
resilience: {attempts: 1, deadline_s: {default: 60, max: 60}, first_token_s: 60}
replies: [{id: sorry, text: "Sorry."}]
"""
"""A model that can do all that the contract has."""
USAGE = Usage(
    prompt_tokens=20, completion_tokens=9, cached_prompt_tokens=5, cache_write_tokens=2, reasoning_tokens=4
)
MODEL = "auto"


def client_of(gateway: Served, *, key: str = "unused") -> openai.AsyncOpenAI:
    """Return a client that tries once."""
    return openai.AsyncOpenAI(
        base_url=f"{gateway.http_url}/v1", api_key=key, max_retries=0, timeout=PATIENCE_S
    )


@asynccontextmanager
async def asked(
    script: Script, **settings: object
) -> AsyncIterator[tuple[openai.AsyncOpenAI, ScriptedBackend]]:
    """Run a gateway whose only model follows a script; yield a client of it and the model."""
    smart = ScriptedBackend("smart", script)
    async with (
        served({"smart": smart}, http=ANY_PORT, **{"policy": SMART, **settings}) as gateway,  # type: ignore[arg-type]
        client_of(gateway) as client,
    ):
        yield client, smart


def called(
    name: str, arguments: str, *, index: int = 0, call_id: str = "", opaque: bytes = b""
) -> list[Chunk]:
    """Return the pieces of a call, its arguments in two."""
    middle = len(arguments) // 2
    begun = ToolCallDelta(index=index, id=call_id or f"call_{index}", name=name)
    return [
        Chunk(tool_calls=(begun,)),
        Chunk(tool_calls=(ToolCallDelta(index=index, arguments_json=arguments[:middle]),)),
        Chunk(tool_calls=(ToolCallDelta(index=index, arguments_json=arguments[middle:], opaque=opaque),)),
    ]


def ended(finish_reason: FinishReason = FinishReason.STOP, usage: Usage | None = USAGE) -> Chunk:
    """Return the last piece of an answer."""
    return Chunk(finish_reason=finish_reason, usage=usage)
