"""Tests reach loopback and nothing else: any other address is refused before a byte leaves.

An audit hook sees every connection, datagram and look-up that Python code makes, asyncio and aiohttp
included. gRPC dials from C and is seen by no hook: its channels are checked where they are made
(`guarded_channel`). Processes that a test starts are not watched; `tests/process/test_egress_air_gap.py`
watches those of the gateway.
"""

import os
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

_refused: list[str] = []


class BeyondLoopback(AssertionError):
    """A test tried to reach another host."""


def is_loopback(host: object) -> bool:
    """Whether a host is this one, by its address or by the one name that needs no look-up."""
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name == "localhost"


def refuse(what: str) -> None:
    """Refuse an address at the call, and once more at the end of the test, should the error be caught."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "no test").partition(" ")[0]
    _refused.append(f"{test} tried to {what}: tests reach loopback only")
    raise BeyondLoopback(_refused[-1])


def refused() -> list[str]:
    """Return what was refused since the last call, and forget it."""
    found = list(_refused)
    _refused.clear()
    return found


def _is_address(host: object) -> bool:
    try:
        ip_address(str(host))
    except ValueError:
        return False
    return True


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Look at what the interpreter is about to do."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        connection, address = arguments
        if connection.family in (socket.AF_INET, socket.AF_INET6) and address and not is_loopback(address[0]):
            refuse(f"reach {address[0]}, port {address[1]}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
        if host and not _is_address(host) and not is_loopback(host):
            refuse(f"look up {host!r}")


def guarded_channel(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of gRPC channels that refuses targets on other hosts."""

    def guarded(target: str, *arguments: Any, **options: Any) -> Any:
        host = target.rpartition("/")[2].rpartition(":")[0].strip("[]")
        if not target.startswith("unix:") and not is_loopback(host):
            refuse(f"open a channel to {target}")
        return make(target, *arguments, **options)

    return guarded


def watch_sockets() -> None:
    """Watch this process until it ends: an audit hook cannot be taken away."""
    sys.addaudithook(watch)


def watch_grpc() -> None:
    """Check the targets of the channels that gRPC makes from now on."""
    import grpc.aio

    for owner in (grpc, grpc.aio):
        for name in ("insecure_channel", "secure_channel"):
            setattr(owner, name, guarded_channel(getattr(owner, name)))
