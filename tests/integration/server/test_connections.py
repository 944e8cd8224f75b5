"""Connections that cost and say nothing: bounded in number and time, whoever opens them."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import grpc
import pytest

from gateway.app.file_limit import MACOS_FILES, raise_file_limit
from gateway.server import connection_count
from gateway.server.grpc import connection_limits
from gateway.testing.scripted import ScriptedBackend, reply
from gateway.v1 import gateway_pb2_grpc
from tests.support.raw_http2 import GOAWAY, raw_connection
from tests.support.served import Served, ask, served


@asynccontextmanager
async def _gateway() -> AsyncIterator[Served]:
    backends = {name: ScriptedBackend(name, lambda _: reply("fine")) for name in ("edge", "cloud")}
    async with served(backends) as gateway:
        yield gateway


@asynccontextmanager
async def _silent(port: int, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open connections and send nothing on them."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    try:
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.close()


async def _closed(reader: asyncio.StreamReader) -> None:
    """Return when the server has closed a connection."""
    try:
        await reader.read()
    except ConnectionError:
        return


async def _ask_anew(gateway: Served) -> str:
    """Ask on a connection of its own."""
    async with grpc.aio.insecure_channel(
        gateway.server.target, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        return (await stub.Generate(ask(), timeout=10, wait_for_ready=True)).text


async def test_silent_connections_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many silent connections as may be keep others out until they are closed, and not longer."""
    monkeypatch.setattr(connection_limits, "HANDSHAKE_S", 0.5)
    monkeypatch.setattr(connection_count, "MOST_CONNECTIONS", 20)
    async with _gateway() as gateway, _silent(gateway.server.port, 20) as readers:
        async with asyncio.timeout(10):
            await asyncio.gather(*map(_closed, readers))
        assert await _ask_anew(gateway) == "fine"


async def test_connections_above_the_limit_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may be is closed when it comes, and those that were there stay."""
    monkeypatch.setattr(connection_count, "MOST_CONNECTIONS", 5)
    async with _gateway() as gateway, _silent(gateway.server.port, 12) as readers:
        ends = [asyncio.create_task(_closed(reader)) for reader in readers]
        while sum(end.done() for end in ends) < 7:
            async with asyncio.timeout(10):
                await asyncio.wait([e for e in ends if not e.done()], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)
        assert sum(end.done() for end in ends) == 7
        for end in ends:
            end.cancel()


async def test_a_connection_without_calls_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks nothing for long is sent away; its next call finds a new connection by itself."""
    monkeypatch.setattr(connection_limits, "IDLE_S", 0.3)
    async with _gateway() as gateway, raw_connection(gateway.server.port) as connection:
        assert (await gateway.stub.Generate(ask())).text == "fine"
        async with asyncio.timeout(10):
            while not (connection.came(GOAWAY) and connection.is_closed):  # noqa: ASYNC110  No event tells.
                await asyncio.sleep(0.01)
            while gateway.channel.get_state() is not grpc.ChannelConnectivity.IDLE:
                await gateway.channel.wait_for_state_change(gateway.channel.get_state())
        assert (await gateway.stub.Generate(ask())).text == "fine"


@pytest.fixture
def file_limit() -> Iterator[tuple[int, int]]:
    """The limits on open files of this process, which are as before at the end."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_on_files_is_raised(file_limit: tuple[int, int]) -> None:
    """A process may open what the system lets it, and leaves half of that to what is no connection."""
    _, hard = file_limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    assert connection_count.most_connections() == min(connection_count.MOST_CONNECTIONS, hard // 4)
    raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    assert connection_count.most_connections() == min(connection_count.MOST_CONNECTIONS, hard // 2)


def test_a_limit_that_is_none_gives_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files are unlimited, as a system may say, connections are bounded all the same."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert connection_count.most_connections() == connection_count.MOST_CONNECTIONS


def test_a_system_that_refuses_its_hard_limit_gives_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS says unlimited and takes 10,240."""
    asked: list[int] = []

    def setrlimit(_: int, wanted: tuple[int, int]) -> None:
        asked.append(wanted[0])
        if wanted[0] == resource.RLIM_INFINITY:
            raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    raise_file_limit()
    assert asked == [resource.RLIM_INFINITY, MACOS_FILES]
