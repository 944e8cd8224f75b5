"""Points in time as callers are told them."""

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp_of(unix_s: float) -> Timestamp:
    """Return a point in time, exact to the millisecond; its JSON is RFC 3339."""
    timestamp = Timestamp()
    timestamp.FromMilliseconds(round(unix_s * 1000))
    return timestamp
