"""The gateway as Python methods: deadlines always, retries as recommended, errors decoded."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from importlib.resources import files
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.client.failure import CallFailed
from gateway.v1 import gateway_pb2, gateway_pb2_grpc

DEFAULT_TIMEOUT_S = 60.0
"""The deadline of a call that names none: the default of a policy's `resilience.deadline_s`."""


def service_config() -> str:
    """Return the recommended service config, as JSON; docs/clients.md explains it."""
    return files("gateway.client").joinpath("service_config.json").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """PEM contents: whom to trust (None: the system's authorities), and our own certificate, if any."""

    ca: bytes | None = None
    cert: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)


class GatewayClient:
    """A connection to one gateway, for use as `async with`; every method raises CallFailed only.

    All three calls take a GenerateRequest: the requests of the service have the same fields.
    """

    def __init__(
        self,
        target: str,
        *,
        tenant: str | None = None,
        api_key: str | None = None,
        tls: ClientTls | None = None,
    ) -> None:
        self.target = target
        tenant_header = (("x-tenant", tenant),) if tenant is not None else ()
        key_header = (("authorization", f"Bearer {api_key}"),) if api_key is not None else ()
        self._metadata = (*tenant_header, *key_header)
        self._channel = _channel(target, tls)
        self._gateway = gateway_pb2_grpc.GatewayServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def generate(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.GenerateResponse:
        """Return the answer, or the canned reply: `degraded` is set in a canned reply only."""
        try:
            return await self._gateway.Generate(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise CallFailed.of(error) from error

    async def stream(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> AsyncGenerator[gateway_pb2.StreamGenerateResponse, None]:
        """Yield the events of a streamed answer; it ended well only if the last one is `completed`."""
        same = gateway_pb2.StreamGenerateRequest.FromString(request.SerializeToString())
        call = self._gateway.StreamGenerate(same, timeout=timeout_s, metadata=self._metadata)
        try:
            async for event in call:
                yield event
        except grpc.aio.AioRpcError as error:
            raise CallFailed.of(error) from error
        finally:
            call.cancel()  # For a caller who left the loop early; a call that is over takes no notice.

    async def explain(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.ExplainResponse:
        """Return how the request would be scored and routed; no model is called."""
        same = gateway_pb2.ExplainRequest.FromString(request.SerializeToString())
        try:
            return await self._gateway.Explain(same, timeout=timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise CallFailed.of(error) from error

    async def health(self, service: str = "", *, timeout_s: float = 5.0) -> str:
        """Return SERVING, NOT_SERVING or another status of grpc.health.v1; a name it does not know fails."""
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            response = await self._health.Check(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise CallFailed.of(error) from error
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
        return name


def _channel(target: str, tls: ClientTls | None) -> grpc.aio.Channel:
    options = (
        ("grpc.service_config", service_config()),
        # A prompt goes to the server that the caller named, whatever http_proxy says.
        ("grpc.enable_http_proxy", 0),
    )
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert)
    return grpc.aio.secure_channel(target, credentials, options=options)
