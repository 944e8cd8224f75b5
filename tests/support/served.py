"""A whole gateway on a real port in this process, with scripted models in the place of real ones."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

import grpc

from gateway.app.build import RunningGateway, running_gateway
from gateway.app.observability import Observability
from gateway.app.parts import OptionalParts
from gateway.backends.base import Backend
from gateway.clock import Clock
from gateway.domain.address import Address, ListenSettings
from gateway.policy.loading.load import parse_policy
from gateway.records.writer import Records
from gateway.server.access import Access, TenantRule, anyone
from gateway.server.calls import Calls
from gateway.server.grpc.grpc_server import GrpcServer
from gateway.server.key_file import KeyFile
from gateway.server.tls import TlsFiles
from gateway.telemetry.report import Observer
from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc as pb_grpc
from tests.support.policies import POLICY

ANY_PORT = Address("127.0.0.1", 0)


@dataclass(frozen=True)
class Served:
    """A running gateway and a stub to call it with."""

    gateway: RunningGateway
    channel: grpc.aio.Channel
    stub: "pb_grpc.GatewayServiceAsyncStub"

    @property
    def server(self) -> GrpcServer:
        """Its server for gRPC."""
        return self.gateway.grpc

    @property
    def http_address(self) -> Address:
        """Where its doors over HTTP are."""
        assert self.gateway.http is not None
        return self.gateway.http.address

    @property
    def http_url(self) -> str:
        """The same as a URL without a path."""
        return f"http://{self.http_address.target}"

    @property
    def calls(self) -> Calls:
        """Its calls, of every transport."""
        return self.gateway.calls


@asynccontextmanager
async def served(
    backends: Mapping[str, Backend],
    *,
    policy: str = POLICY,
    tenant_of: TenantRule = anyone,
    tls: TlsFiles | None = None,
    keys: KeyFile | None = None,
    max_request_bytes: int = 1024 * 1024,
    grace_s: float = 5.0,
    records: Records | None = None,
    shadow: str | None = None,
    operator: Observability | None = None,
    guards_health: bool = False,
    observers: tuple[Observer, ...] = (),
    state_url: str = "memory:",
    environ: Mapping[str, str] = MappingProxyType({}),
    clock: Clock | None = None,
    address: Address = ANY_PORT,
    http: Address | None = None,
) -> AsyncIterator[Served]:
    """Run a gateway whose models are all scripted."""
    listen = ListenSettings(
        address=address,
        max_request_bytes=max_request_bytes,
        drain_s=0.0,
        grace_s=grace_s,
    )
    parts = OptionalParts(
        replaced=backends,
        records=records,
        shadow=None if shadow is None else parse_policy(shadow, name="shadow.yaml"),
        observability=operator,
        observers=observers,
        http=http,
    )
    async with (
        running_gateway(
            parse_policy(policy, name="policy.yaml"),
            listen=listen,
            access=Access(tenant_of=tenant_of, tls=tls, guards_health=guards_health, keys=keys),
            state_url=state_url,
            environ=environ,
            parts=parts,
            clock=clock,
        ) as gateway,
        grpc.aio.insecure_channel(gateway.target) as channel,
    ):
        yield Served(gateway, channel, pb_grpc.GatewayServiceStub(channel))


def ask(text: str = "hello", **fields: object) -> pb.GenerateRequest:
    """Return a request of one user message; other fields as given."""
    return pb.GenerateRequest(messages=[pb.Message(role=pb.ROLE_USER, content=text)], **fields)  # type: ignore[arg-type]
