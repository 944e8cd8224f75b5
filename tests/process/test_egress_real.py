"""The proof on real parts: gRPC, the SDK, a provider, a ledger in a file, and a process that dies."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
import pytest

from gateway.app.build import running_gateway
from gateway.app.parts import OptionalParts
from gateway.cli.demo.stage import state_url
from gateway.client.channel import GatewayClient
from gateway.client.failure import CallFailed
from gateway.client.prompt import prompt
from gateway.domain.address import Address, ListenSettings
from gateway.errors import EngineDied, EngineDown
from gateway.extras.handoff.encryption import new_key
from gateway.extras.handoff.queue import KEY_VARIABLE
from gateway.policy.loading.load import parse_policy
from gateway.simulate.server import SimulatedCloud
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc
from tests.support.cloud_calls import RawServer, http
from tests.support.egress_bench import captured_logs
from tests.support.egress_cases import DATA, NAME, TEXT, VALUE
from tests.support.egress_handoff import hand_over_everything
from tests.support.redis_server import running_redis

POLICY = """\
version: 1
models:
  edge:   {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  cloud:  {kind: openai, model: sim, base_url: "%s", clearance: internal,
           price_per_million_usd: {input: 1, output: 1}}
  backup: {kind: openai, model: sim, base_url: "%s", clearance: internal,
           price_per_million_usd: {input: 1, output: 1}, mask: [EMAIL]}
budgets: [{name: all, per: all, limit_usd: 100, window: day}]
rules: [{name: default, route: [cloud, backup, edge]}]
resilience:
  {attempts: 2, backoff_s: {first: 0.001, max: 0.001}, first_token_s: 0.2, stall_s: 0.2, attempt_s: 0.2}
replies: [{id: sorry, text: x}]
"""
FAULTS = (
    "", "status", "unauthorized", "context-too-long", "content-filter", "quota", "reset", "silence", "cut",
    "garbage", "filtered", "no-finish", "no-usage",
)  # fmt: skip
ECHO = http(400, json.dumps({"error": {"message": f"{TEXT} {VALUE}", "code": TEXT, "type": TEXT}}).encode())
WORDS = tuple(word.encode() for word in (TEXT, VALUE, DATA["CREDIT_CARD"]))


def request_of(private: str) -> pb.GenerateRequest:
    """Return a request with canaries everywhere that a caller may write."""
    schema = json.dumps({"type": "object", "title": TEXT})
    return pb.GenerateRequest(
        messages=[
            pb.Message(role=pb.ROLE_SYSTEM, content=TEXT),
            pb.Message(role=pb.ROLE_USER, content=f"{TEXT} {private} {TEXT}"),
        ],
        config=pb.GenerationConfig(max_tokens=8, stop=[TEXT], json_schema=schema),
        labels={"note": NAME},
    )


@contextlib.asynccontextmanager
async def gateway_to(
    base_url: str, folder: Path, edge: ScriptedBackend, *, more: str = ""
) -> AsyncIterator["pb_grpc.GatewayServiceAsyncStub"]:
    """Run a gateway whose edge is scripted and whose cloud backends are real."""
    listen = ListenSettings(address=Address("127.0.0.1", 0), drain_s=0.0)
    async with (
        running_gateway(
            parse_policy(POLICY % (base_url, base_url) + more, name="p"),
            listen=listen,
            state_url=state_url(folder),
            environ={KEY_VARIABLE: new_key()},
            parts=OptionalParts(replaced={"edge": edge}),
        ) as server,
        grpc.aio.insecure_channel(server.target) as channel,
    ):
        yield pb_grpc.GatewayServiceStub(channel)


async def told(
    stub: "pb_grpc.GatewayServiceAsyncStub", request: pb.GenerateRequest, *, is_streamed: bool
) -> list[str]:
    """Return all that the caller gets but the text of an answer: decision, attempts, status, trailers."""
    said = []
    try:
        if is_streamed:
            streamed = pb.StreamGenerateRequest.FromString(request.SerializeToString())
            async for event in stub.StreamGenerate(streamed, timeout=3.0):
                event.ClearField("delta")
                event.completed.ClearField("text")
                said.append(str(event))
        else:
            response = await stub.Generate(request, timeout=3.0)
            response.ClearField("text")
            said.append(str(response))
    except grpc.aio.AioRpcError as error:
        said += [str(error.details()), str(error.trailing_metadata()), str(error.initial_metadata())]
    return said


def canaries(*blobs: bytes) -> Sequence[bytes]:
    """Return the canaries that stand in any of `blobs`."""
    return [word for word in WORDS for blob in blobs if word in blob]


def file_bytes(folder: Path) -> bytes:
    """Return every byte under a folder: the ledger and what SQLite keeps beside it."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_the_provider_never_sees_a_private_word(is_streamed: bool, tmp_path: Path) -> None:
    """Through real gRPC and the real SDK, whatever the provider or the edge does: no byte, in no place."""
    edge = ScriptedBackend(
        "edge", [reply("fine"), EngineDown("edge", "x"), EngineDied("edge", "x"), reply("fine")]
    )
    said: list[str] = []
    with captured_logs() as logs:
        async with SimulatedCloud().serve() as cloud, gateway_to(cloud.base_url, tmp_path, edge) as stub:
            for fault in FAULTS:
                cloud.clear_faults()
                if fault:
                    cloud.set_fault("*", fault)
                for private in (DATA["CREDIT_CARD"], f"{DATA['EMAIL']} and {DATA['IBAN']}"):
                    said += await told(stub, request_of(private), is_streamed=is_streamed)
            assert cloud.received() == ()
            cloud.clear_faults()
            said += await told(stub, request_of("nothing"), is_streamed=is_streamed)
            said += await told(stub, request_of(DATA["EMAIL"]), is_streamed=is_streamed)
            sent = [received.raw() for received in cloud.received()]
        assert TEXT.encode() in sent[0], "what is not private is seen"
        assert VALUE.encode() not in b"".join(sent)
        assert re.search(rb"<EMAIL_1_[A-Z]{5}>", sent[-1]), "what may go masked is seen masked"
        assert NAME.encode() not in b"".join(sent)
        assert canaries(logs.getvalue().encode(), "\n".join(said).encode(), file_bytes(tmp_path)) == []
    assert len(said) > len(FAULTS)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_provider_that_quotes_the_prompt_is_not_quoted(is_streamed: bool, tmp_path: Path) -> None:
    """Its error body stays out of statuses, logs and the ledger."""
    edge = ScriptedBackend("edge", [reply("fine")])
    with captured_logs() as logs:
        async with RawServer(ECHO).serve() as server, gateway_to(server.base_url, tmp_path, edge) as stub:
            said = await told(stub, request_of("nothing"), is_streamed=is_streamed)
        assert server.connections > 0
        assert canaries(logs.getvalue().encode(), "\n".join(said).encode(), file_bytes(tmp_path)) == []


@pytest.mark.parametrize("killed", ["engine", "gateway"])
async def test_a_process_that_dies_says_nothing(killed: str, tmp_path: Path) -> None:
    """SIGABRT in the middle of a private request: no canary on standard error, none in any file."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY % ("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "faulthandler", "-m", "gateway", "serve", "--policy", str(policy)),
        *(
            "--listen",
            "127.0.0.1:0",
            "--state",
            state_url(tmp_path),
            "--drain-s",
            "0",
            "--log-format",
            "json",
        ),
        env={**os.environ, "GATEWAY_DEBUG": "1", "PYTHONFAULTHANDLER": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines: list[bytes] = []
    target, engine_pid = "", 0
    while not target:
        lines.append(await asyncio.wait_for(process.stderr.readline(), 60))
        event = json.loads(lines[-1])
        engine_pid = int(event.get("pid", engine_pid))
        target = event.get("listen", "") if event["event"] == "gateway.serving" else ""
    async with GatewayClient(target) as client:
        text = f"{TEXT} {DATA['EMAIL']} {DATA['CREDIT_CARD']} " * 40
        asking = asyncio.ensure_future(client.generate(prompt(text, max_tokens=400), timeout_s=20))
        await asyncio.sleep(0.3)
        os.kill(engine_pid if killed == "engine" else process.pid, signal.SIGABRT)
        with contextlib.suppress(CallFailed):
            await asking
    if killed == "engine":
        process.terminate()
    rest = await asyncio.wait_for(process.stderr.read(), 60)
    await process.wait()
    assert canaries(*lines, rest, file_bytes(tmp_path)) == []
    assert (b"Fatal Python error" in rest) == (killed == "gateway")


async def test_what_waits_for_people_is_sealed(tmp_path: Path) -> None:
    """Request and answer lie in the store encrypted; what is above the policy's class is not there."""
    assert await hand_over_everything(tmp_path) == []


async def test_what_waits_in_redis_is_sealed(tmp_path: Path) -> None:
    """The same of every byte that Redis writes."""
    with running_redis() as server:
        assert await hand_over_everything(server.folder, server.url) == []


async def test_a_request_that_waits_leaves_no_word_on_the_way(tmp_path: Path) -> None:
    """Through real gRPC: a confidential request is handed over; no canary is in reply, log or file."""
    edge = ScriptedBackend("edge", lambda _: EngineDown("edge", "x"))
    section = "handoff: {queue: sqlite, store_up_to: confidential}\n"
    with captured_logs() as logs:
        async with gateway_to("http://127.0.0.1:9/v1", tmp_path, edge, more=section) as stub:
            said = await told(stub, request_of(DATA["EMAIL"]), is_streamed=True)
            said += await told(stub, request_of(DATA["EMAIL"]), is_streamed=False)
            assert "".join(said).count("ticket_id: ") == 2
            blobs = (logs.getvalue().encode(), "\n".join(said).encode(), file_bytes(tmp_path))
            assert canaries(*blobs) == []
