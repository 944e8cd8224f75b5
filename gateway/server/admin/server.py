"""The admin service on its own sockets: one that operators reach, and one for the other workers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import grpc

from gateway.admin.v1 import admin_pb2 as pb
from gateway.admin.v1 import admin_pb2_grpc
from gateway.domain.address import OwnerOnly, make_way
from gateway.errors import StartupError
from gateway.server.admin.address import FLAG, AdminAddress
from gateway.server.admin.status import StatusReader
from gateway.server.admin.worker import WorkerIdentity

GRACE_S = 1.0
"""For the other workers' questions; cutting them would make gRPC write into their log."""

Context = grpc.aio.ServicerContext[pb.GetStatusRequest, pb.GetStatusResponse]
ReloadContext = grpc.aio.ServicerContext[pb.ReloadRequest, pb.ReloadResponse]


class ReloadReport(Protocol):
    """What came of a reload."""

    @property
    def outcome(self) -> Literal["applied", "unchanged", "refused"]:
        """Whether the file was taken."""
        ...

    @property
    def policy_hash(self) -> str:
        """Of the policy that runs now."""
        ...

    @property
    def changes(self) -> Sequence[str]:
        """In which ways it is looser."""
        ...

    @property
    def problems(self) -> Sequence[str]:
        """Why it was refused."""
        ...


class ReloadHandler(Protocol):
    """Something that can take the policy's file in anew: this process, or the parent of several."""

    async def reload(self, *, allow_loosening: bool) -> ReloadReport:
        """Say what came of it; raises nothing."""
        ...


class AdminService(admin_pb2_grpc.AdminServiceServicer):
    """gateway.admin.v1.AdminService of one worker; worker 0 answers for all."""

    def __init__(self, reader: StatusReader, reloading: ReloadHandler | None = None) -> None:
        self._reader = reader
        self._reloading = reloading

    async def GetStatus(  # noqa: N802  the name is the proto's
        self, request: pb.GetStatusRequest, context: Context
    ) -> pb.GetStatusResponse:
        """Say how the gateway is."""
        read = self._reader.own if request.one_worker else self._reader.whole
        return await read(request.decisions)

    async def Reload(  # noqa: N802  the name is the proto's
        self, request: pb.ReloadRequest, context: ReloadContext
    ) -> pb.ReloadResponse:
        """Take the policy's file in anew."""
        if self._reloading is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the policy of this gateway has no file")
        reloaded = await self._reloading.reload(allow_loosening=request.allow_loosening)
        return pb.ReloadResponse(
            outcome=pb.ReloadOutcome.Value(f"RELOAD_OUTCOME_{reloaded.outcome.upper()}"),
            policy_hash=reloaded.policy_hash,
            changes=reloaded.changes,
            problems=reloaded.problems,
        )


class AdminServer:
    """Serves the admin service; `address` None serves the other workers alone."""

    def __init__(self, service: AdminService, *, place: WorkerIdentity, address: AdminAddress | None) -> None:
        self._service = service
        self._address = address if place.speaks_for_all else None
        self._peer_socket = place.socket(place.number)
        self._server: grpc.aio.Server | None = None
        self.target = "" if self._address is None else self._address.target

    async def start(self) -> None:
        """Bind and serve; raises StartupError when an address cannot be had."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        admin_pb2_grpc.add_AdminServiceServicer_to_server(self._service, server)
        if self._peer_socket is not None:
            _bind(server, f"unix:{self._peer_socket}", self._peer_socket)
        if self._address is not None:
            port = _bind(server, self._address.target, self._address.path)
            if self._address.path is None:
                self.target = f"{self._address.target.rpartition(':')[0]}:{port}"
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Let those who ask have their answer, then end, and take the sockets away."""
        if self._server is None:
            return
        await self._server.stop(GRACE_S)
        own = None if self._address is None else self._address.path
        for path in (self._peer_socket, own):
            if path is not None:
                path.unlink(missing_ok=True)


def _bind(server: grpc.aio.Server, target: str, path: Path | None) -> int:
    if path is not None:
        make_way(path, flag=FLAG)
    try:
        with OwnerOnly():
            return server.add_insecure_port(target)
    except RuntimeError:
        raise StartupError(
            f"{FLAG} {target}: cannot be bound; is the path too long, or its folder missing or not ours?"
            if path is not None
            else f"{FLAG} {target}: cannot be bound; choose another address"
        ) from None
