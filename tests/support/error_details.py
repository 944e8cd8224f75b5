"""The details of an error of gRPC, as a client reads them."""

from typing import Any

import grpc
from google.protobuf.message import Message as ProtoMessage
from grpc_status import rpc_status


def detail_of(error: grpc.aio.AioRpcError, kind: type[ProtoMessage]) -> Any:
    """Return the detail of a kind, or None where the error has none."""
    status = rpc_status.from_call(error)
    assert status is not None
    for packed in status.details:
        found = kind()
        if packed.Unpack(found):
            return found
    return None
