"""The example that service developers copy works against a real gateway, engine process included."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.backends.base import Backend
from gateway.backends.scripted import ScriptedBackend
from gateway.errors import BackendFailed
from tests.served import served

CLIENT = Path(__file__).parents[1] / "examples" / "client.py"


async def _run(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CLIENT),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), timeout=60)
    return process.returncode, out.decode(), err.decode()


async def test_it_prints_the_answer_of_the_embedded_model() -> None:
    """The first thing that anyone tries: a question, and an answer made at the edge."""
    async with served({}) as gateway:
        status, out, err = await _run(gateway.server.target, "hello")
    answer, *_, source = out.splitlines()
    assert (status, err) == (0, "")
    assert answer
    assert source == "(ROUTE_LOCAL, edge, 0.0 USD)"


def _all_fail() -> Mapping[str, Backend]:
    return {name: ScriptedBackend(name, [BackendFailed(name, "down")]) for name in ("edge", "cloud")}


async def test_it_tells_a_canned_reply_from_an_answer() -> None:
    """A canned reply is marked with the reason why no model answered."""
    async with served(_all_fail()) as gateway:
        status, out, _ = await _run(gateway.server.target, "hello")
    assert (status, out) == (0, "[REASON_UPSTREAM_ERROR] Sorry.\n")


async def test_it_shows_the_reason_of_an_error() -> None:
    """An error status ends it with code and reason."""
    async with served(_all_fail()) as gateway:
        status, _, err = await _run(gateway.server.target, "")
    assert status == 1
    assert err.startswith("INVALID_ARGUMENT (INVALID_REQUEST): messages[0].content")


async def test_it_tells_no_gateway_from_a_gateway_s_error() -> None:
    """An error without ErrorInfo did not come from a gateway."""
    status, _, err = await _run("127.0.0.1:1", "hello")
    assert status == 1
    assert err.startswith("UNAVAILABLE (no gateway): ")


def test_it_fits_on_a_page() -> None:
    """What is to be copied stays short."""
    assert len(CLIENT.read_text(encoding="utf-8").splitlines()) <= 40
