"""No test reaches another host: the guard says the address and the test, and the test fails."""

import asyncio
import socket

import grpc
import grpc.aio
import pytest

from tests.support.network import BeyondLoopback, refused

OTHER = "192.0.2.1"
"""An address for documentation, which belongs to nobody (RFC 5737)."""
HERE = "tests/integration/test_network.py::"


def test_a_connection_is_refused_by_address_and_test() -> None:
    """And where the error is caught, the end of the test still hears of it."""
    with socket.socket() as connection, pytest.raises(BeyondLoopback, match=f"reach {OTHER}, port 80"):
        connection.connect((OTHER, 80))
    (told,) = refused()
    assert told.startswith(f"{HERE}test_a_connection_is_refused_by_address_and_test tried to reach")


async def test_asyncio_and_datagrams_are_refused() -> None:
    """The event loop's own connections too."""
    with pytest.raises(BeyondLoopback):
        await asyncio.open_connection(OTHER, 443)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as connection, pytest.raises(BeyondLoopback):
        connection.sendto(b"x", ("2001:db8::1", 53))
    assert len(refused()) == 2


async def test_a_look_up_is_refused() -> None:
    """Resolvers are other hosts; `localhost` and addresses need none."""
    with pytest.raises(BeyondLoopback, match=r"look up 'llm\.example'"):
        await asyncio.get_running_loop().getaddrinfo("llm.example", 443)
    socket.getaddrinfo("localhost", 443)
    socket.getaddrinfo(OTHER, 443)
    assert len(refused()) == 1


@pytest.mark.parametrize("target", ["gateway.example:50051", f"dns:///{OTHER}:1", "[2001:db8::1]:1"])
def test_a_channel_of_grpc_is_refused_where_it_is_made(target: str) -> None:
    """C code connects it, which no hook of Python sees."""
    for make in (grpc.insecure_channel, grpc.aio.insecure_channel):
        with pytest.raises(BeyondLoopback):
            make(target)
    assert len(refused()) == 2


async def test_loopback_is_reached() -> None:
    """By address, by name and by unix socket."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    for target in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/nowhere"):
        await grpc.aio.insecure_channel(target).close()
    assert refused() == []
