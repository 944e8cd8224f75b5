"""Keepalive pings: those at a usual pace cost nothing, those at an absurd one the connection."""

import ast
import asyncio
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gateway.backends.base import Call
from gateway.domain.answer import Usage
from gateway.server.grpc import connection_limits
from gateway.testing.scripted import Delay, ScriptedBackend, Step, reply
from tests.support.raw_http2 import ACK, END_STREAM, GOAWAY, HEADERS, PING, RawConnection, raw_connection
from tests.support.repository import ROOT
from tests.support.served import ask, served

PACKAGE = Path(connection_limits.__file__).parents[1]
METHODS = ("Generate", "StreamGenerate")
ENHANCE_YOUR_CALM = 11
PINGS = 12
"""An offender is cut off after three."""


def _silent(call: Call) -> Step:
    """Say nothing for as long as the pings take, then answer."""
    return [Delay(1.0), reply("fine", usage=Usage(prompt_tokens=1, completion_tokens=1))]


async def _until(condition: Callable[[], object], connection: RawConnection) -> None:
    async with asyncio.timeout(10):
        while not condition() and not connection.is_closed:  # noqa: ASYNC110  Bytes that come have no event.
            await asyncio.sleep(0.01)


async def _ping(connection: RawConnection, *, gap_s: float) -> None:
    for number in range(PINGS):
        connection.send(PING, number.to_bytes(8))
        await asyncio.sleep(gap_s)


@pytest.mark.parametrize("method", METHODS)
async def test_pings_no_closer_than_the_limit_end_no_call(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call in which nothing but pings is heard goes on to its answer, and every ping is answered."""
    monkeypatch.setattr(connection_limits, "LEAST_PING_GAP_S", 0.03)
    model = ScriptedBackend("edge", _silent)
    async with (
        served({"edge": model, "cloud": model}) as gateway,
        raw_connection(gateway.server.port) as connection,
    ):
        connection.call(f"/gateway.v1.GatewayService/{method}", ask().SerializeToString())
        await _ping(connection, gap_s=0.07)
        await _until(lambda: connection.came(HEADERS, END_STREAM), connection)

    assert len(connection.came(PING, ACK)) == PINGS
    assert connection.came(HEADERS, END_STREAM)


async def test_pings_between_calls_end_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that keeps its connection alive while it asks nothing keeps it."""
    monkeypatch.setattr(connection_limits, "LEAST_PING_GAP_S", 0.03)
    model = ScriptedBackend("edge", _silent)
    async with (
        served({"edge": model, "cloud": model}) as gateway,
        raw_connection(gateway.server.port) as connection,
    ):
        await _ping(connection, gap_s=0.07)
        await _until(lambda: len(connection.came(PING, ACK)) == PINGS, connection)
        gone = connection.came(GOAWAY)

    assert len(connection.came(PING, ACK)) == PINGS
    assert not gone


@pytest.mark.parametrize("method", [*METHODS, None])
async def test_a_client_that_pings_too_often_is_cut_off(method: str | None) -> None:
    """A flood of pings ends with its connection, with or without a call."""
    model = ScriptedBackend("edge", _silent)
    async with (
        served({"edge": model, "cloud": model}) as gateway,
        raw_connection(gateway.server.port) as connection,
    ):
        if method is not None:
            connection.call(f"/gateway.v1.GatewayService/{method}", ask().SerializeToString())
        await _ping(connection, gap_s=0.01)
        await _until(lambda: connection.came(GOAWAY), connection)

    away = connection.came(GOAWAY)[0]
    assert int.from_bytes(away.payload[4:8]) == ENHANCE_YOUR_CALM
    assert away.payload[8:] == b"too_many_pings"


def test_a_client_may_ping_every_ten_seconds() -> None:
    """The clients of Go and Java ping every 10 s at most; a ping that comes early is none that offends."""
    options = dict(connection_limits.channel_limits(shares_port=False))
    assert options["grpc.http2.min_ping_interval_without_data_ms"] <= 5_000


def _channel_arguments() -> Iterator[tuple[str, Path]]:
    """Yield the name of each option of a channel or server that this package or its tests set."""
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Tuple(elts=[ast.Constant(value=str(name)), _]) if name.startswith("grpc."):
                    yield name, path


def test_grpc_knows_every_channel_argument() -> None:
    """gRPC takes an option that it does not know without a word, and ignores it."""
    library = find_spec("grpc._cython.cygrpc")
    assert library is not None
    assert library.origin is not None
    known = set(re.findall(rb"grpc\.[a-z0-9_.]+", Path(library.origin).read_bytes()))
    used = dict(_channel_arguments())
    unknown = {name: path.name for name, path in used.items() if name.encode() not in known}

    assert "grpc.max_concurrent_streams" in used
    assert b"grpc.http2.min_recv_ping_interval_without_data_ms" not in known
    assert not unknown
