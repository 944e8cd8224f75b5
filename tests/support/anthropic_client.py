"""Anthropic's own client, asking a gateway in this process."""

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anthropic

from gateway.domain.answer import Chunk, FinishReason, ReasoningDelta, ToolCallDelta, Usage
from gateway.testing.scripted import Script, ScriptedBackend
from tests.support.served import ANY_PORT, Served, served

Json = dict[str, Any]

PATIENCE_S = 60.0
MODEL = "claude-opus-4-8"
USAGE = Usage(
    prompt_tokens=20, completion_tokens=9, cached_prompt_tokens=5, cache_write_tokens=2, reasoning_tokens=4
)
HELLO: Any = {"role": "user", "content": "hello"}
POLICY = """
version: 1
models:
  able: {kind: anthropic, model: m, base_url: "http://127.0.0.1:9/v1", clearance: restricted,
         price_per_million_usd: {input: 1, output: 1, cache_write: 1}}
  plain: {kind: openai, model: p, base_url: "http://127.0.0.1:9/v1", clearance: restricted, reasoning: false,
          tools: false, context: 8192, max_output_tokens: 4096, price_per_million_usd: {input: 1, output: 1}}
aliases: {"claude-*": auto}
rules:
  - {name: plain, when: 'labels["model"] == "plain"', route: [plain]}
  - {name: default, route: [able]}
resilience: {attempts: 1, deadline_s: {default: 60, max: 600}, first_token_s: 60}
replies: [{id: sorry, text: "Sorry."}]
"""
"""`able` does all that the contract has; `plain` neither thinks nor calls tools."""
TO_PLAIN = {"x-gateway-label-model": "plain"}


def client_of(gateway: Served, *, key: str = "unused") -> anthropic.AsyncAnthropic:
    """Return a client that tries once, and raises for what is not as Anthropic describes it."""
    return anthropic.AsyncAnthropic(
        base_url=gateway.http_url,
        api_key=key,
        max_retries=0,
        timeout=PATIENCE_S,
        open_telemetry=False,
        _strict_response_validation=True,
    )


@asynccontextmanager
async def asked(
    script: Script, *, policy: str = POLICY
) -> AsyncIterator[tuple[anthropic.AsyncAnthropic, ScriptedBackend]]:
    """Run a gateway whose models follow one script; yield a client of it and the model that can do all."""
    able, plain = ScriptedBackend("able", script), ScriptedBackend("plain", script)
    async with (
        served({"able": able, "plain": plain}, http=ANY_PORT, policy=policy) as gateway,
        client_of(gateway) as client,
    ):
        yield client, able


async def posted(
    client: anthropic.AsyncAnthropic, body: Json, *, path: str = "/v1/messages", headers: Json | None = None
) -> tuple[int, bytes]:
    """Return the status and all that came of the body, be it cut, after a request that no SDK would make."""
    url, sent = str(client.base_url).rstrip("/") + path, b""
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as response:
        with contextlib.suppress(aiohttp.ClientPayloadError):
            async for piece in response.content.iter_any():
                sent += piece
        return response.status, sent


def events_of(sent: bytes) -> list[tuple[str, Json]]:
    """Return the names and values of the events of a stream; every event has both, and nothing else."""
    found = []
    for event in sent.decode().removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def thought(text: str, opaque: bytes = b"") -> Chunk:
    """Return a piece of what a model thinks."""
    return Chunk(reasoning=(ReasoningDelta(text=text, opaque=opaque),))


def called(
    name: str, arguments: str, *, index: int = 0, opaque: bytes = b"", late_opaque: bytes = b""
) -> list[Chunk]:
    """Return the pieces of a call, its arguments in two; `late_opaque` comes with the last one."""
    middle = len(arguments) // 2
    pieces = (
        ToolCallDelta(index=index, id=f"toolu_{index}", name=name, opaque=opaque),
        ToolCallDelta(index=index, arguments_json=arguments[:middle]),
        ToolCallDelta(index=index, arguments_json=arguments[middle:], opaque=late_opaque),
    )
    return [Chunk(tool_calls=(piece,)) for piece in pieces]


def ended(finish_reason: FinishReason = FinishReason.STOP, usage: Usage | None = USAGE) -> Chunk:
    """Return the last piece of an answer."""
    return Chunk(finish_reason=finish_reason, usage=usage)
