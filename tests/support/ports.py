"""Ports for processes that must be told one before they start."""

import os
import socket
from itertools import count

FIRST, LAST = 15_000, 32_000
"""Below the ports that Linux gives out by itself (32768 and above): no connection takes one meanwhile."""

_steps = count(os.getpid() * 61)
"""Each process of the tests begins elsewhere, and none gives a port out twice soon."""


def free_address() -> str:
    """Return an address of loopback where nobody listens."""
    for step in _steps:
        address = ("127.0.0.1", FIRST + step % (LAST - FIRST))
        with socket.socket() as probe:
            try:
                probe.bind(address)
            except OSError:
                continue
            return f"{address[0]}:{address[1]}"
    raise AssertionError("unreachable: the steps never end")
