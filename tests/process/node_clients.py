"""Chat completions and responses, asked by programs in Node: OpenAI's own library and the AI SDK."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.base import Call
from gateway.domain.answer import Chunk, FinishReason
from gateway.errors import StreamTruncated
from gateway.testing.scripted import ScriptedBackend, Step
from tests.support.npm_packages import install_packages
from tests.support.openai_client import SMART, USAGE, called, ended
from tests.support.served import ANY_PORT, served

FOLDER = Path(__file__).parent / "node"
PATIENCE_S = 120.0
HELLO: Step = [Chunk(text="Hello, "), Chunk(text="you."), ended()]
REFUSED = {
    ("openai", "chat"): "audio",
    ("ai-sdk", "chat"): "audio",
    ("openai", "responses"): "background",
    ("ai-sdk", "responses"): "previous_response_id",
}
"""What each asks for in its last question, and nothing here has."""
CUT = "cut after it had begun"


@pytest.fixture(scope="session")
def packages() -> None:
    """What the program imports."""
    install_packages(FOLDER)


def _step(call: Call) -> Step:
    """Answer the three questions of the program."""
    first, *rest = [message for message in call.request.messages if message.role != "system"]
    match first.text:
        case "weather" if not rest:
            return [*called("weather", '{"city": "Oslo"}'), ended(FinishReason.TOOL_CALLS)]
        case "weather":
            (part,) = rest[-1].tool_results[0].parts
            return [Chunk(text=getattr(part, "text", "")), ended()]
        case "break":
            return [Chunk(text="Half"), StreamTruncated("smart", "broke off")]
    return HELLO


async def _asked(library: str, api: str) -> Mapping[str, Any]:
    """Run the program, and return what it printed."""
    model = ScriptedBackend("smart", _step)
    async with served({"smart": model}, http=ANY_PORT, policy=SMART) as gateway:
        process = await asyncio.create_subprocess_exec(
            "node",
            str(FOLDER / "ask.js"),
            library,
            api,
            f"{gateway.http_url}/v1",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    value: Mapping[str, Any] = json.loads(out)
    return value


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("library", ["openai", "ai-sdk"])
@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_programs_in_node_ask(library: str, api: str) -> None:
    """Whole, in pieces with usage, with a tool; a stream that breaks raises, and an error has its member."""
    told = dict(await _asked(library, api))
    assert CUT in told.pop("broken")
    assert told == {
        "whole": "Hello, you.",
        "streamed": "Hello, you.",
        "tokens": USAGE.prompt_tokens + USAGE.completion_tokens,
        "toolAnswer": "rain in Oslo",
        "refused": REFUSED[library, api],
    }
