"""grpc.health.v1 for the gateway as a whole and for each model."""

import asyncio
from collections.abc import Collection, Iterable

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.errors import GatewayError
from gateway.server.grpc.api_keys import Context, TenantRule
from gateway.server.grpc.service import SERVICE

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """What load balancers and operators ask: "", the service, and `model.<name>` for each model.

    "" and the service serve once every local model has loaded, until the drain or a failure of the gateway.
    """

    def __init__(self, guard: TenantRule | None = None) -> None:
        self.servicer = GuardedHealth(guard)
        self._has_failed = False

    async def begin(self, models: Iterable[str], *, serving: Collection[str] = ()) -> None:
        """Report that nothing serves yet but the models of `serving`."""
        await self._set_whole(_NOT_SERVING)
        for model in models:
            await self.set_model(model, model in serving)

    async def set_ready(self) -> None:
        """Report that the gateway takes requests, unless it has failed."""
        if not self._has_failed:
            await self._set_whole(_SERVING)

    async def fail(self) -> None:
        """Report, for good, that the gateway cannot do its job: a restart is needed."""
        self._has_failed = True
        await self._set_whole(_NOT_SERVING)

    async def _set_whole(self, status: int) -> None:
        for name in ("", SERVICE):
            self.servicer.set(name, status)

    async def set_model(self, model: str, is_serving: bool) -> None:
        """Report whether a model can answer."""
        self.servicer.set(f"model.{model}", _SERVING if is_serving else _NOT_SERVING)

    async def forget_model(self, model: str) -> None:
        """Report that there is no such model any more."""
        self.servicer.set(f"model.{model}", _UNKNOWN)

    async def drain(self) -> None:
        """Report everything as not serving, for good."""
        self.servicer.end()


class GuardedHealth(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # The library ships no types.
    """grpc.health.v1, with a guard for callers with valid credentials alone.

    The library's own holds a lock while it writes to a watcher: one that does not read would keep everybody
    else, and the gateway itself, from any change.
    """

    def __init__(self, guard: TenantRule | None) -> None:
        self._guard = guard
        self._statuses: dict[str, int] = {}
        self._has_ended = False
        self._changed = asyncio.Event()
        """Set at the next change of any service, and then replaced."""

    def set(self, service: str, status: int) -> None:
        """Tell all watchers of a service how it is, unless the end was told."""
        if not self._has_ended:
            self._statuses[service] = status
            self._wake()

    def end(self) -> None:
        """Tell all watchers that nothing serves any more."""
        self._statuses = dict.fromkeys(self._statuses, _NOT_SERVING)
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
        answer: Message = health_pb2.HealthCheckResponse(status=status)
        return answer

    async def Watch(  # noqa: N802  The name is the proto's.
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """Say how a service is, and every change of it that its watcher is quick enough to read."""
        await admit(self._guard, context)
        told: int | None = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, _UNKNOWN)
            if status != told:
                try:
                    await context.write(health_pb2.HealthCheckResponse(status=status))
                except grpc.aio.InternalError:
                    raise asyncio.CancelledError from None  # The connection is gone: nobody watches.
                told = status
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def admit(guard: TenantRule | None, context: Context) -> None:
    """End the call of a stranger, if there is a guard."""
    if guard is None:
        return
    try:
        guard(context)
    except GatewayError as error:
        await context.abort(grpc.StatusCode[error.code], str(error))
