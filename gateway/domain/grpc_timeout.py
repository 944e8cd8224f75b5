"""How far the deadline that arrives by gRPC may lie behind the one that its caller keeps.

gRPC's C core (Python, C++, Ruby, PHP, C#) writes a timeout with three digits, rounded up, so that a caller
of 12.03 s is announced as one of 12.1 s and is gone before a server that trusts the number replies. The core
also sends an earlier timeout of the connection again where that is up to 3 % longer, as long as the server
keeps a table of headers for it.
"""

FRESH_TIMEOUTS = ("grpc.http2.hpack_table_size.decoder", 0)
"""Option of a server that keeps no such table: each call then brings its own timeout, for 200 bytes more."""

_STEPS = ((1.0, 0.001), (10.0, 0.01), (100.0, 0.1), (1_000.0, 1.0), (10_000.0, 10.0))
"""Up to how many seconds a timeout is rounded up to what step; `Timeout::FromMillis`, gRPC 1.85."""
_COARSEST_STEP_S = 600.0
"""Beyond the last of them, up to a week; a policy grants one day at most."""
_CLOCK_ERROR_S = 0.002
"""By how much a server's clock, which gRPC reads in milliseconds, may show more than what arrived."""


def least_sent_s(arrived_s: float) -> float:
    """Return the shortest time that the caller may have given itself, if `arrived_s` are left at the server.

    Less than the caller's own by one step of the rounding where that was a round number, or its gRPC does not
    round; more by the few milliseconds alone in which gRPC reads its clocks.
    """
    for up_to_s, step_s in _STEPS:
        if arrived_s <= up_to_s + _CLOCK_ERROR_S:
            return arrived_s - step_s
    return arrived_s - _COARSEST_STEP_S
