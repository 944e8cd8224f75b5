"""How much a deadline received by gRPC may exceed the caller's own.

gRPC's C core (Python, C++, Ruby, PHP, C#) sends a timeout with three digits, rounded up: 12.03 s is sent as
12.1 s, so a server that uses all of it replies too late. The core also repeats an earlier timeout of the
connection that is up to 3 % longer, if the server keeps a header table.
"""

FRESH_TIMEOUTS = ("grpc.http2.hpack_table_size.decoder", 0)
"""Server option without a header table: each call sends its own timeout, for 200 bytes more."""

_STEPS = ((1.0, 0.001), (10.0, 0.01), (100.0, 0.1), (1_000.0, 1.0), (10_000.0, 10.0))
"""(upper limit, rounding step) of timeouts in seconds; `Timeout::FromMillis`, gRPC 1.85."""
_COARSEST_STEP_S = 600.0
"""Rounding step above the last limit, up to a week; a policy grants at most one day."""
_CLOCK_ERROR_S = 0.002
"""How much the remaining time may exceed the sent timeout, since gRPC reads clocks in milliseconds."""


def least_sent_s(arrived_s: float) -> float:
    """Return the shortest timeout that the caller may have set, if `arrived_s` are left at the server.

    It is one rounding step too short if the caller's timeout was not rounded, and too long only by the
    milliseconds of gRPC's clock.
    """
    for up_to_s, step_s in _STEPS:
        if arrived_s <= up_to_s + _CLOCK_ERROR_S:
            return arrived_s - step_s
    return arrived_s - _COARSEST_STEP_S
