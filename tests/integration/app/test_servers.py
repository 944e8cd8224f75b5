"""Several servers of one gateway have one end: its order, and its times."""

import asyncio

import pytest

from gateway.app.servers import Servers
from gateway.domain.address import Address, ListenSettings
from gateway.errors import StartupError
from gateway.server.health import Health, ServingStatus
from tests.support.virtual_time import LoopClock, virtual_time

LISTEN = ListenSettings(address=Address("127.0.0.1", 0), drain_s=5.0, grace_s=30.0)


class _Log:
    """What happened, each with the second in which it did."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str]] = []

    def add(self, event: str) -> None:
        self.events.append((asyncio.get_running_loop().time(), event))


class _Checks:
    def __init__(self, log: _Log) -> None:
        self._log = log

    def set_status(self, name: str, status: ServingStatus) -> None:
        self._log.add(f"{name} is {status.value}")

    def drain(self) -> None:
        self._log.add("not serving")


class _Server:
    """A server that says what is asked of it."""

    address = LISTEN.address

    def __init__(self, name: str, log: _Log, *, is_free: bool = True) -> None:
        self._name, self._log, self._is_free = name, log, is_free

    async def start(self) -> None:
        if not self._is_free:
            raise StartupError(f"--{self._name}: cannot be bound")
        self._log.add(f"{self._name} starts")

    async def stop_accepting(self) -> None:
        self._log.add(f"{self._name} takes no more")

    async def close(self) -> None:
        self._log.add(f"{self._name} closes")


def _servers(log: _Log, *servers: _Server, last_call_s: float) -> Servers:
    async def wait_idle() -> None:
        await asyncio.sleep(last_call_s)
        log.add("the last call ends")

    return Servers(servers, health=Health(_Checks(log)), wait_idle=wait_idle, times=LISTEN, clock=LoopClock())


def _end_of_two(at_s: float) -> list[tuple[float, str]]:
    return [(at_s, "grpc closes"), (at_s, "http closes")]


@virtual_time
async def test_all_servers_drain_together() -> None:
    """Health says no once and first; none takes new work; all close when the last call of any has ended."""
    log = _Log()
    servers = _servers(log, _Server("grpc", log), _Server("http", log), last_call_s=7.0)
    await servers.start()
    await servers.drain()
    await servers.drain()
    assert log.events == [
        (0.0, "grpc starts"),
        (0.0, "http starts"),
        (0.0, "not serving"),
        (5.0, "grpc takes no more"),
        (5.0, "http takes no more"),
        (12.0, "the last call ends"),
        *_end_of_two(12.0),
    ]


@virtual_time
async def test_calls_that_do_not_end_are_cut() -> None:
    """After the grace time every server is closed, whatever still runs."""
    log = _Log()
    servers = _servers(log, _Server("grpc", log), _Server("http", log), last_call_s=3600.0)
    await servers.drain()
    assert log.events[-2:] == _end_of_two(35.0)


@virtual_time
async def test_an_urgent_end_does_not_wait_for_load_balancers() -> None:
    """Calls in flight get their time all the same."""
    log = _Log()
    servers = _servers(log, _Server("grpc", log), _Server("http", log), last_call_s=2.0)
    await servers.drain(is_urgent=True)
    assert log.events[0] == (0.0, "not serving")
    assert log.events[-2:] == _end_of_two(2.0)


@virtual_time
async def test_an_address_that_is_taken_ends_the_servers_that_have_started() -> None:
    """The second server cannot be had: the first is closed as well."""
    log = _Log()
    servers = _servers(log, _Server("grpc", log), _Server("http", log, is_free=False), last_call_s=0.0)
    with pytest.raises(StartupError, match="--http"):
        await servers.start()
    await servers.drain(is_urgent=True)
    assert log.events[-2:] == _end_of_two(0.0)
