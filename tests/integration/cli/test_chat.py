"""`gateway generate --chat`, `--quiet` and a prompt from a pipe, against a real gRPC server."""

import asyncio
import io
import os
import pty
import sys
from collections.abc import AsyncIterator

import pytest
from google.rpc import code_pb2, error_details_pb2

from gateway.cli.app import run
from gateway.v1 import gateway_pb2 as pb
from tests.support.scripted_gateway import ANSWER, ScriptedGateway, failing, serving

CANNED = pb.GenerateResponse(
    text="Please try again later.",
    route=pb.ROUTE_CANNED,
    degraded=pb.Degraded(reason=pb.REASON_ALL_FAILED, canned_id="sorry"),
)


@pytest.fixture
def service() -> ScriptedGateway:
    """What the gateway of this test does."""
    return ScriptedGateway()


@pytest.fixture
async def server(service: ScriptedGateway) -> AsyncIterator[str]:
    """The address of a gateway that does what `service` says."""
    async with serving(service) as address:
        yield address


def pipe(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    """Let standard input be a pipe with a text in it."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


async def generate(*arguments: str) -> int:
    """Run `gateway generate` beside the server of the test; return its exit status."""
    return await asyncio.to_thread(run, ["generate", *arguments])


def sent(service: ScriptedGateway, number: int) -> list[tuple[str, str]]:
    """Return role and content of each message of a request."""
    request = service.requests[number]
    assert isinstance(request, (pb.GenerateRequest, pb.StreamGenerateRequest))
    return [(pb.Role.Name(each.role).removeprefix("ROLE_"), each.content) for each in request.messages]


async def test_a_pipe_is_read_without_a_dash(
    service: ScriptedGateway, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`command | gateway generate` sends what the command printed."""
    pipe(monkeypatch, b"two\nlines\n")
    assert await generate("--server", server) == 0
    assert sent(service, 0) == [("USER", "two\nlines")]


@pytest.mark.parametrize(("is_terminal", "said"), [(True, "is missing"), (False, "standard input is empty")])
def test_without_a_text_nothing_is_sent(
    is_terminal: bool, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a terminal nor an empty pipe is waited for; the line says what to give."""
    pipe(monkeypatch, b"")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: is_terminal)
    assert run(["generate", "--server", "127.0.0.1:1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


async def test_quiet_prints_the_answer_alone_on_a_terminal(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a terminal gets besides is left away; with --verbose it cannot be both."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert await generate("--server", server, "--quiet", "hi") == 0
    assert tuple(capsys.readouterr()) == ("hello\n", "")
    assert await generate("--server", server, "--quiet", "--verbose", "hi") == 2


async def test_quiet_still_says_that_a_reply_is_canned(
    service: ScriptedGateway, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A canned reply never poses as a model's answer."""
    service.answer = CANNED
    assert await generate("--server", server, "--quiet", "hi") == 3
    assert "no model answered" in capsys.readouterr().err


async def test_each_turn_has_those_before(
    service: ScriptedGateway,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The argument is the first turn, each line another; empty lines are none."""
    pipe(monkeypatch, b"zwei\n\n drei")
    assert await generate("--server", server, "--chat", "--system", "Be brief.", "one") == 0
    assert capsys.readouterr().out == "hello\n" * 3
    assert sent(service, 2) == [
        ("SYSTEM", "Be brief."),
        ("USER", "one"),
        ("ASSISTANT", "hello"),
        ("USER", "zwei"),
        ("ASSISTANT", "hello"),
        ("USER", " drei"),
    ]


async def test_a_canned_reply_is_no_part_of_the_conversation(
    service: ScriptedGateway, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turn is taken out, so that no model reads it as its own words; the status tells."""
    pipe(monkeypatch, b"one\ntwo\n")
    service.answer = CANNED
    assert await generate("--server", server, "--chat") == 3
    assert sent(service, 1) == [("USER", "two")]


async def test_a_failure_ends_a_conversation_from_a_pipe(
    service: ScriptedGateway,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever wrote the script meant the turns to follow each other."""
    pipe(monkeypatch, b"one\ntwo\n")
    info = error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="gateway.v1")
    service.behaviour = failing(code_pb2.INVALID_ARGUMENT, info)
    assert await generate("--server", server, "--chat") == 1
    assert len(service.requests) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_a_person_types_turns_until_ctrl_d(service: ScriptedGateway, server: str) -> None:
    """At a terminal there is a prompt, one line on who answered, and Ctrl-D ends it well."""
    service.events = (pb.StreamGenerateResponse(completed=ANSWER),)
    child, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "generate", "--chat", "--server", server),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "dumb"},
    )
    os.close(terminal)
    seen = await _until(child, b"> ")
    assert b"Ctrl-D ends the conversation" in seen
    os.write(child, b"one\n")
    first = await _until(child, b"> ")
    assert b"hello" in first
    assert b"(CLOUD, model cloud, STOP, 7 + 2 tokens, 0.000006 USD)" in first
    os.write(child, b"two\n")
    await _until(child, b"> ")
    os.write(child, b"\x04")
    assert await asyncio.wait_for(process.wait(), 30) == 0
    os.close(child)
    assert sent(service, 1) == [("USER", "one"), ("ASSISTANT", "hello"), ("USER", "two")]


async def _until(terminal: int, end: bytes) -> bytes:
    """Return what a terminal shows up to the next `end`."""
    seen = b""
    while not seen.endswith(end):
        seen += await asyncio.wait_for(asyncio.to_thread(os.read, terminal, 4096), 30)
    return seen
