"""What one connection may cost, whoever is at its other end; grpc keeps these before any of our code runs."""

from gateway.domain.grpc_timeout import FRESH_TIMEOUTS
from gateway.server.connection_count import most_connections

HANDSHAKE_S = 10
"""A connection on which HTTP/2, and TLS where it is on, has not begun after this is closed."""
IDLE_S = 300
"""So is one on which no call was for so long; clients connect again by themselves."""
STREAMS = 256
"""Most concurrent calls on one connection; further ones wait at the client."""
METADATA_BYTES = 8 * 1024
"""Of all metadata of a call together; above twice as much the call is refused for certain."""
PING_EVERY_S = 60
"""A connection that is silent is asked whether anybody is there."""
PING_ANSWER_S = 20
"""It is closed, and its calls are cancelled, when no answer comes in this time."""
LEAST_PING_GAP_S = 5
"""A client that pings more often is warned twice and then cut off; usual clients ping every 10 s at most."""
AGE_S = 1800
"""A connection is asked to come anew after this, so that what it holds does not grow without end."""
AGE_SHARED_S = 60
"""The same where several processes share a port, so that connections spread over them."""
AGE_GRACE_S = 600
"""What runs on a connection of that age goes on for so long, more than any deadline of a policy that keeps
the default maximum."""


def channel_limits(*, shares_port: bool) -> tuple[tuple[str, int], ...]:
    """Return the limits as options of a grpc server."""
    return (
        FRESH_TIMEOUTS,
        ("grpc.max_allowed_incoming_connections", most_connections()),
        ("grpc.server_handshake_timeout_ms", round(HANDSHAKE_S * 1000)),
        ("grpc.max_connection_idle_ms", round(IDLE_S * 1000)),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
        ("grpc.keepalive_time_ms", PING_EVERY_S * 1000),
        ("grpc.keepalive_timeout_ms", PING_ANSWER_S * 1000),
        ("grpc.keepalive_permit_without_calls", 1),  # Both ends may ping between calls, too.
        ("grpc.http2.min_ping_interval_without_data_ms", round(LEAST_PING_GAP_S * 1000)),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_connection_age_ms", (AGE_SHARED_S if shares_port else AGE_S) * 1000),
        ("grpc.max_connection_age_grace_ms", AGE_GRACE_S * 1000),
    )
