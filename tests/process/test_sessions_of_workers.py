"""Two workers and one store: no turn goes where an earlier turn might not have gone, whoever served it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import pytest

from gateway.client.admin import AdminClient
from gateway.sessions.conversation_keys import FEWEST_CHARS
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.logged_process import LoggedProcess

POLICY = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, max_tokens: 64}
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: internal,
          price_per_million_usd: {input: 1, output: 1}}
rules: [{name: default, route: [edge, cloud]}]
replies: [{id: sorry, text: "Sorry."}]
"""
PRIVATE = "My card is 4111 1111 1111 1111."
LONG = f"root ::= [a-z ]{{{FEWEST_CHARS + 8}}}"
"""An answer that tells a conversation."""
TURNS = 24
"""The kernel chooses a worker for each: that all of them have the same one happens once in eight million."""


@dataclass
class Gateway(LoggedProcess):
    """A parent with its workers, and what they logged."""

    admin: str


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway of two workers whose conversations are in a file."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--policy", f"{tmp_path}/policy.yaml", "--workers", "2",
        "--listen", "127.0.0.1:0", "--drain-s", "0", "--state", f"sqlite:///{tmp_path}/ledger.db",
        "--log-format", "json", "--admin", f"unix:{tmp_path}/admin.sock", stderr=subprocess.PIPE,
    )  # fmt: skip
    running = Gateway(process, f"unix:{tmp_path}/admin.sock")
    reading = asyncio.create_task(running.read())
    try:
        await running.wait_serving(2)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def ask(
    gateway: LoggedProcess, *messages: pb.Message, session_id: str = "", grammar: str | None = None
) -> pb.GenerateResponse:
    """Ask through a connection of its own, so that the kernel chooses a worker."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(gateway.address, options=options) as channel:
        config = pb.GenerationConfig(grammar=grammar)
        request = pb.GenerateRequest(messages=messages, session_id=session_id, config=config)
        return await gateway_pb2_grpc.GatewayServiceStub(channel).Generate(request, timeout=60.0)


def user(text: str) -> pb.Message:
    """Return a message of the user."""
    return pb.Message(role=pb.ROLE_USER, content=text)


async def test_no_turn_is_forgotten_by_either_worker(gateway: Gateway) -> None:
    """By the id, or by our answer alone; only a conversation of its own is open to the cloud."""
    first = await ask(gateway, user(PRIVATE), session_id="s", grammar=LONG)
    assert len(first.text) >= FEWEST_CHARS
    later = [
        await ask(gateway, user("And now?"), session_id="s")
        if number % 2
        else await ask(gateway, user("Hello"), first.message, user("And now?"))
        for number in range(TURNS)
    ]
    other = await ask(gateway, user("And now?"), session_id="t")

    assert {tuple(each.decision.chain) for each in later} == {("edge",)}
    assert {each.decision.privacy_reason for each in later} == {"session"}
    assert list(other.decision.chain) == ["edge", "cloud"]
    async with AdminClient(gateway.admin) as admin:
        status = await admin.status(decisions=TURNS)
    assert [bool(worker.decisions) for worker in status.workers] == [True, True]
