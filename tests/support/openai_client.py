"""OpenAI's own client, asking a gateway in this process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import openai

from gateway.backends.base import Backend
from gateway.domain.answer import Chunk, FinishReason, ToolCallDelta, Usage
from gateway.testing.scripted import Script, ScriptedBackend
from tests.support.served import ANY_PORT, Served, served

PATIENCE_S = 60.0
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
    """Run a gateway whose model at the edge follows a script; yield a client of it and the model."""
    edge = ScriptedBackend("edge", script)
    backends: Mapping[str, Backend] = {"edge": edge, "cloud": ScriptedBackend("cloud", [Chunk()])}
    async with (
        served(backends, http=ANY_PORT, **settings) as gateway,  # type: ignore[arg-type]
        client_of(gateway) as client,
    ):
        yield client, edge


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
