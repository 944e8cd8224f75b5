"""Keys that are added, rotated and revoked while `gateway serve` runs, in all of its workers."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import grpc.aio

from gateway.errors import STARTUP_STATUS
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc
from tests.support.serve_process import Process, serving
from tests.support.waiting import until

WORKERS = 2
CONNECTIONS = 12
"""So many that every worker has one of them."""


async def keys(file: Path, *arguments: str) -> str:
    """Run `gateway keys`; return what it prints on standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "keys", *arguments, "--keys", str(file),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().strip()


async def code_of(channel: grpc.aio.Channel, key: str) -> str:
    """Ask for a decision with a key; return the status."""
    request = pb.ExplainRequest(messages=[pb.Message(role=pb.ROLE_USER, content="Hello")])
    stub = gateway_pb2_grpc.GatewayServiceStub(channel)
    try:
        await stub.Explain(request, metadata=[("authorization", f"Bearer {key}")], timeout=60.0)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def codes(channels: list[grpc.aio.Channel], key: str) -> set[str]:
    """Return the statuses of one call through each connection."""
    return set(await asyncio.gather(*(code_of(channel, key) for channel in channels)))


async def changed(gateway: Process, event: str, before: int) -> None:
    """Wait until every worker has read the file again."""
    await until(lambda: gateway.count(event) >= before + WORKERS)


async def test_a_worker_that_dies_beside_a_wrong_key_file_starts_when_it_is_mended(tmp_path: Path) -> None:
    """The others go on with the keys that they have; the gateway does not end because one cannot start."""
    file = tmp_path / "keys.txt"
    key = await keys(file, "new", "acme")
    right = file.read_text()
    async with serving(tmp_path, "--keys", str(file), workers=WORKERS) as gateway:
        draft = tmp_path / "draft"
        draft.write_text("nonsense")
        draft.replace(file)
        victim = next(entry for entry in gateway.logs if entry["event"] == "worker.started")
        os.kill(int(str(victim["pid"])), signal.SIGKILL)
        await until(
            lambda: any(
                entry["event"] == "worker.exited" and entry["status"] == STARTUP_STATUS
                for entry in gateway.logs
            )
        )
        async with grpc.aio.insecure_channel(gateway.address) as channel:
            assert await code_of(channel, key) == "OK"

        draft.write_text(right)
        draft.replace(file)
        await until(lambda: gateway.count("gateway.serving") == WORKERS + 1)
    assert gateway.process.returncode == 0


async def test_a_running_gateway_follows_its_key_file(tmp_path: Path) -> None:
    """A new key is let in and a revoked one refused, on connections that are open, without a restart."""
    file = tmp_path / "keys.txt"
    first = await keys(file, "new", "acme", "--name", "ci")
    async with serving(tmp_path, "--keys", str(file), workers=WORKERS) as gateway:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.aio.insecure_channel(gateway.address, options=options) for _ in range(CONNECTIONS)]
        assert await codes(channels, first) == {"OK"}

        digits = file.read_text()[:12]
        second = await keys(file, "rotate", digits, "--overlap", "1d")
        await changed(gateway, "keys.loaded", 0)
        assert await codes(channels, first) == await codes(channels, second) == {"OK"}

        await keys(file, "revoke", digits)
        await changed(gateway, "keys.loaded", WORKERS)
        assert await codes(channels, first) == {"UNAUTHENTICATED"}
        assert await codes(channels, second) == {"OK"}

        draft = tmp_path / "draft"
        draft.write_text("nonsense")
        draft.replace(file)  # In one step: a file that is being written may be empty for a moment.
        await changed(gateway, "keys.refused", 0)
        assert await codes(channels, second) == {"OK"}
        for channel in channels:
            await channel.close()

    assert gateway.process.returncode == 0
    assert gateway.count("keys.refused") == WORKERS  # Once for each change, not once for each look.
    names = {entry.get("key_name") for entry in gateway.logs if entry["event"] == "request"}
    assert names == {"ci", None}
    assert first not in str(gateway.logs)
    assert second not in str(gateway.logs)
