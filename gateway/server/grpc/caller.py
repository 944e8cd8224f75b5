"""Who makes a call of gRPC: its metadata and the certificate of its connection."""

from typing import Any

import grpc

from gateway.errors import GatewayError
from gateway.server.access import Caller, TenantRule

Context = grpc.aio.ServicerContext[Any, Any]


def caller_of(rpc: Context) -> Caller:
    """Return what a call shows of who makes it; metadata that is no text counts as empty."""
    headers: dict[str, str] = {}
    for key, value in rpc.invocation_metadata() or ():
        headers.setdefault(key, value if isinstance(value, str) else "")
    name = b"".join(rpc.auth_context().get("x509_common_name", ()))
    return Caller(headers=headers, common_name=name.decode(errors="replace"))


async def admit(guard: TenantRule | None, rpc: Context) -> None:
    """End the call of a stranger, if there is a guard."""
    if guard is None:
        return
    try:
        guard(caller_of(rpc))
    except GatewayError as error:
        await rpc.abort(grpc.StatusCode[error.code], str(error))
