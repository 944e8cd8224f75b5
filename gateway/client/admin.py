"""Client of the admin service."""

from typing import Self

import grpc

from gateway.admin.v1 import admin_pb2, admin_pb2_grpc
from gateway.client.failure import failure_of


class AdminClient:
    """A connection to the admin service of a gateway, for use as `async with`; raises CallFailed only."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._channel = grpc.aio.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)])
        self._admin = admin_pb2_grpc.AdminServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def status(self, *, decisions: int = 0, timeout_s: float = 5.0) -> admin_pb2.GetStatusResponse:
        """Return the status of the gateway, with the last `decisions` decisions of each worker."""
        request = admin_pb2.GetStatusRequest(decisions=decisions)
        try:
            return await self._admin.GetStatus(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise failure_of(error) from error

    async def reload(
        self, *, allow_loosening: bool = False, timeout_s: float = 40.0
    ) -> admin_pb2.ReloadResponse:
        """Make the gateway reload its policy file, and return the outcome."""
        request = admin_pb2.ReloadRequest(allow_loosening=allow_loosening)
        try:
            return await self._admin.Reload(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise failure_of(error) from error
