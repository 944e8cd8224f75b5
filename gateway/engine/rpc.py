"""What every engine process does over gRPC: its socket, its server, and errors as statuses."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_status import rpc_status

from gateway import errors
from gateway.clock import Clock, Deadline
from gateway.domain.grpc_timeout import FRESH_TIMEOUTS, least_sent_s
from gateway.engine.request_errors import fault_of
from gateway.engine.v1 import engine_pb2_grpc
from gateway.errors import StartupError

ERROR_DOMAIN = "engine.gateway.v1"


def deadline_of(context: grpc.aio.ServicerContext[Any, Any], clock: Clock) -> Deadline:
    """Return the deadline of a call; one without a deadline never ends."""
    remaining_s = context.time_remaining()
    return Deadline.never() if remaining_s is None else Deadline.after(least_sent_s(remaining_s), clock)


@asynccontextmanager
async def told_errors(
    context: grpc.aio.ServicerContext[Any, Any], *, model: str, report: Callable[[str], None]
) -> AsyncIterator[None]:
    """End the call with the status of an error of the block; `report` is told of a defect."""
    try:
        yield
    except errors.GatewayError as error:
        await context.abort_with_status(rpc_status.to_status(to_rpc_status(error)))
    except Exception as error:  # noqa: BLE001  reported without its text, which may quote the request
        fault = fault_of(error, model=model)
        report(str(fault))
        await context.abort_with_status(rpc_status.to_status(to_rpc_status(fault)))


def to_rpc_status(error: errors.GatewayError) -> status_pb2.Status:
    """Return the gRPC status of an error, with ErrorInfo, and with RetryInfo if a delay is known."""
    metadata = {"field": error.field} if isinstance(error, errors.NotCapable) else {}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata)
    details: list[message.Message] = [info]
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = [any_pb2.Any() for _ in details]
    for target, detail in zip(packed, details, strict=True):
        target.Pack(detail)
    code: int = grpc.StatusCode[error.code].value[0]
    return status_pb2.Status(code=code, message=str(error), details=packed)


def make_private(socket: Path) -> None:
    """Prepare the folder of a socket so that only this user can open it; raises StartupError."""
    os.umask(0o077)
    socket.parent.mkdir(mode=0o700, exist_ok=True)
    found = socket.parent.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StartupError(
            f"{socket.parent}: other users can open this folder; run chmod 700 on it or choose another"
        )
    socket.unlink(missing_ok=True)


async def serve(
    service: engine_pb2_grpc.EngineServiceServicer,
    *,
    socket: Path,
    ready: Callable[[], None],
    stop: asyncio.Event,
    grace_s: float,
) -> None:
    """Serve on a socket prepared by `make_private` until `stop` is set; raises StartupError.

    `ready` is called when the server accepts calls.
    """
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), FRESH_TIMEOUTS])
    engine_pb2_grpc.add_EngineServiceServicer_to_server(service, server)
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    for name in ("", "gateway.engine.v1.EngineService"):
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        server.add_insecure_port(f"unix:{socket}")
    except RuntimeError:
        raise StartupError(
            f"{socket}: cannot listen on this socket; its path may be too long, set TMPDIR to a shorter one"
        ) from None
    await server.start()
    ready()
    await stop.wait()
    await health.enter_graceful_shutdown()
    await server.stop(grace_s)
