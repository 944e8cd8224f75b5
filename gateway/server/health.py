"""Whether the gateway and each model serve, for the health checks of every transport."""

from collections.abc import Collection, Iterable
from enum import Enum
from typing import Protocol

WHOLE = ""
"""The name of the gateway as a whole; a model's is `model.<name>`."""


class ServingStatus(Enum):
    """What a health check answers; the names are those of grpc.health.v1."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    SERVICE_UNKNOWN = "SERVICE_UNKNOWN"


class HealthService(Protocol):
    """The health checks of one transport."""

    def set_status(self, name: str, status: ServingStatus) -> None:
        """Answer so from now on."""
        ...

    def drain(self) -> None:
        """Answer NOT_SERVING to everything, for good."""
        ...


class Health:
    """What load balancers and operators are told, by every transport.

    The gateway as a whole serves once every local model has loaded, until the drain or its failure.
    """

    def __init__(self, *services: HealthService) -> None:
        self._services = services
        self._has_failed = False

    async def begin(self, models: Iterable[str], *, serving: Collection[str] = ()) -> None:
        """Report that nothing serves yet but the models of `serving`."""
        self._set(WHOLE, ServingStatus.NOT_SERVING)
        for model in models:
            await self.set_model(model, model in serving)

    async def set_ready(self) -> None:
        """Report that the gateway takes requests, unless it has failed."""
        if not self._has_failed:
            self._set(WHOLE, ServingStatus.SERVING)

    async def fail(self) -> None:
        """Report, for good, that the gateway cannot do its job: a restart is needed."""
        self._has_failed = True
        self._set(WHOLE, ServingStatus.NOT_SERVING)

    async def set_model(self, model: str, is_serving: bool) -> None:
        """Report whether a model can answer."""
        status = ServingStatus.SERVING if is_serving else ServingStatus.NOT_SERVING
        self._set(f"model.{model}", status)

    async def forget_model(self, model: str) -> None:
        """Report that there is no such model any more."""
        self._set(f"model.{model}", ServingStatus.SERVICE_UNKNOWN)

    async def drain(self) -> None:
        """Report everything as not serving, for good."""
        for service in self._services:
            service.drain()

    def _set(self, name: str, status: ServingStatus) -> None:
        for service in self._services:
            service.set_status(name, status)
