"""grpc.health.v1 for the gateway as a whole and for each model."""

from collections.abc import Iterable

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from gateway.server.service import SERVICE

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """What load balancers and operators ask: "", the service, and `model.<name>` for each model.

    "" and the service serve once every local model has loaded or failed for good, and until the drain.
    """

    def __init__(self) -> None:
        self.servicer = aio.HealthServicer()

    async def begin(self, models: Iterable[str]) -> None:
        """Report everything as not serving yet."""
        for name in ("", SERVICE, *(f"model.{model}" for model in models)):
            await self.servicer.set(name, _NOT_SERVING)

    async def set_ready(self) -> None:
        """Report that the gateway takes requests."""
        for name in ("", SERVICE):
            await self.servicer.set(name, _SERVING)

    async def set_model(self, model: str, is_serving: bool) -> None:
        """Report whether a model can answer."""
        await self.servicer.set(f"model.{model}", _SERVING if is_serving else _NOT_SERVING)

    async def forget_model(self, model: str) -> None:
        """Report that there is no such model any more."""
        await self.servicer.set(f"model.{model}", health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)

    async def drain(self) -> None:
        """Report everything as not serving, for good."""
        await self.servicer.enter_graceful_shutdown()
