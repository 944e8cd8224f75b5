"""A real Envoy, configured by `gateway policy egress --format envoy`: it reaches listed hosts alone."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from gateway.offline.egress_manifests import envoy_config
from gateway.policy.egress import destinations
from gateway.policy.loading.load import parse_policy
from gateway.simulate.server import SimulatedCloud
from tests.support.npm_packages import Unavailable
from tests.support.peer_packages import installed_envoy
from tests.support.ports import free_address
from tests.support.served import ask, served

POLICY = """
version: 1
models:
  cloud: {{kind: openai, model: sim, clearance: public, base_url: "{url}", proxy: "http://{proxy}",
           price_per_million_usd: {{input: 1, output: 2}}}}
rules: [{{name: all, route: [cloud]}}]
resilience: {{attempts: 1}}
replies: [{{id: sorry, text: "Sorry."}}]
"""
START_TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def envoy() -> Path:
    """The program; the tests are skipped, with words, where it cannot be had."""
    try:
        return installed_envoy()
    except Unavailable as error:
        pytest.skip(str(error))


@contextmanager
def _running(envoy: Path, folder: Path, *, permits: str) -> Iterator[str]:
    """Run Envoy for a policy whose one model is at the URL `permits`; yield its address."""
    address = free_address()
    policy = parse_policy(POLICY.format(url=permits, proxy=address), name="p")
    config = folder / "envoy.yaml"
    config.write_text(envoy_config(destinations(policy), port=int(address.rpartition(":")[2])))
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(
            [envoy, "-c", config, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"],
            stdout=log,
            stderr=log,
        )
        try:
            yield address
        finally:
            process.terminate()
            process.wait()


@asynccontextmanager
async def _tunnel(
    address: str, target: str
) -> AsyncIterator[tuple[str, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Ask a proxy for a tunnel, when it has started; yield the status line and the two ends."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, int(port))
                break
            except OSError:
                await asyncio.sleep(0.05)
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
    try:
        yield head.split(b"\r\n")[0].decode(), reader, writer
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def _echo() -> AsyncIterator[int]:
    """Serve a port that sends back what it gets."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await _close(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_tunnel_is_opened_to_a_listed_host_alone(envoy: Path, tmp_path: Path) -> None:
    """TLS passes through unread; another port of the same host, or another host, gets no tunnel."""
    async with _echo() as port, _echo() as other:
        with _running(envoy, tmp_path, permits=f"https://localhost:{port}/v1") as address:
            async with _tunnel(address, f"localhost:{port}") as (status, reader, writer):
                assert status.startswith("HTTP/1.1 200")
                writer.write(b"\x16\x03\x01 sealed")
                assert await reader.read(100) == b"\x16\x03\x01 sealed"
            for target in (f"localhost:{other}", f"127.0.0.1:{port}", "provider.invalid:443"):
                async with _tunnel(address, target) as (status, _, _):
                    assert status.startswith("HTTP/1.1 404")


async def test_a_gateway_answers_through_it_and_reaches_no_unlisted_model(
    envoy: Path, tmp_path: Path
) -> None:
    """The proxy of the policy is Envoy: a model that it does not know fails, and nothing reaches it."""
    listed, unlisted = SimulatedCloud(), SimulatedCloud()
    async with listed.serve(), unlisted.serve():
        urls = [cloud.base_url.replace("127.0.0.1", "localhost") for cloud in (listed, unlisted)]
        with _running(envoy, tmp_path, permits=urls[0]) as address:
            async with _tunnel(address, "provider.invalid:443") as (status, _, _):
                assert status.startswith("HTTP/1.1 404")
            async with served({}, policy=POLICY.format(url=urls[0], proxy=address)) as gateway:
                assert (await gateway.stub.Generate(ask())).model == "cloud"
            async with served({}, policy=POLICY.format(url=urls[1], proxy=address)) as gateway:
                response = await gateway.stub.Generate(ask())
                assert response.model != "cloud"
            assert listed.bill().bytes_received
            assert not unlisted.bill().bytes_received
