"""grpc.health.v1 for the gateway as a whole and for each model."""

import asyncio

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.server.access import TenantRule
from gateway.server.grpc.caller import Context, admit
from gateway.server.grpc.middleware import SERVICE
from gateway.server.health import WHOLE, ServingStatus


class GrpcHealth(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # The library ships no types.
    """Answers for "", for the service, and for `model.<name>`; with a guard for valid credentials alone.

    The library's own holds a lock while it writes to a watcher: one that does not read would keep everybody
    else, and the gateway itself, from any change.
    """

    def __init__(self, guard: TenantRule | None = None) -> None:
        self._guard = guard
        self._statuses: dict[str, ServingStatus] = {}
        self._has_ended = False
        self._changed = asyncio.Event()
        """Set at the next change of any service, and then replaced."""

    def set_status(self, name: str, status: ServingStatus) -> None:
        """Tell all watchers how the gateway, and with it the service, or a model is; not after the end."""
        if not self._has_ended:
            self._statuses |= dict.fromkeys(("", SERVICE) if name == WHOLE else (name,), status)
            self._wake()

    def drain(self) -> None:
        """Tell all watchers that nothing serves any more."""
        self._statuses = dict.fromkeys(self._statuses, ServingStatus.NOT_SERVING)
        self._has_ended = True
        self._wake()

    async def Check(  # noqa: N802  The name is the proto's.
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> Message:
        """Say how a service is."""
        await admit(self._guard, context)
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        answer: Message = health_pb2.HealthCheckResponse(status=status.value)
        return answer

    async def Watch(  # noqa: N802  The name is the proto's.
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """Say how a service is, and every change of it that its watcher is quick enough to read."""
        await admit(self._guard, context)
        told: ServingStatus | None = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, ServingStatus.SERVICE_UNKNOWN)
            if status != told:
                try:
                    await context.write(health_pb2.HealthCheckResponse(status=status.value))
                except grpc.aio.InternalError:
                    raise asyncio.CancelledError from None  # The connection is gone: nobody watches.
                told = status
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
