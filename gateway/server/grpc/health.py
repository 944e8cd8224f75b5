"""grpc.health.v1 for the gateway as a whole and for each model."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from gateway.errors import GatewayError
from gateway.server.grpc.api_keys import Context, TenantRule
from gateway.server.grpc.service import SERVICE

_SERVING = health_pb2.HealthCheckResponse.SERVING
TELL_S = 1.0
"""How long watchers may take to hear of the drain."""
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


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
            await self.servicer.set(name, status)

    async def set_model(self, model: str, is_serving: bool) -> None:
        """Report whether a model can answer."""
        await self.servicer.set(f"model.{model}", _SERVING if is_serving else _NOT_SERVING)

    async def forget_model(self, model: str) -> None:
        """Report that there is no such model any more."""
        await self.servicer.set(f"model.{model}", health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)

    async def drain(self) -> None:
        """Report everything as not serving, for good.

        A watcher that does not read can keep others from hearing of it, but not the gateway from ending.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TELL_S):
                await self.servicer.enter_graceful_shutdown()


class GuardedHealth(aio.HealthServicer):  # type: ignore[misc]  # The library ships no types.
    """grpc.health.v1, with a guard for callers with valid credentials alone."""

    def __init__(self, guard: TenantRule | None) -> None:
        super().__init__()
        self._guard = guard

    async def Check(  # noqa: N802  The name is the proto's.
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> Message:
        """Say how a service is."""
        await admit(self._guard, context)
        answer: Message = await super().Check(request, context)
        return answer

    async def Watch(  # noqa: N802  The name is the proto's.
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """Say how a service is, and every change of it."""
        await admit(self._guard, context)
        await super().Watch(request, context)


async def admit(guard: TenantRule | None, context: Context) -> None:
    """End the call of a stranger, if there is a guard."""
    if guard is None:
        return
    try:
        guard(context)
    except GatewayError as error:
        await context.abort(grpc.StatusCode[error.code], str(error))
