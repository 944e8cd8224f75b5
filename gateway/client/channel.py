"""Async client of the gateway: every call has a deadline, the recommended retries and decoded errors."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.client.connection import (
    DEFAULT_TIMEOUT_S,
    HEALTH_TIMEOUT_S,
    ClientTls,
    call_metadata,
    channel_options,
)
from gateway.client.failure import failure_of
from gateway.client.prompt import explain_request
from gateway.client.streaming import AnswerStream
from gateway.v1 import gateway_pb2, gateway_pb2_grpc

Response = TypeVar("Response")


class GatewayClient:
    """A connection to one gateway, for use as `async with`; every method raises CallFailed only.

    `generate`, `stream` and `explain` take a GenerateRequest: their request messages have the same fields.
    `explain` takes an EmbedRequest, too.
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
        self._metadata = call_metadata(tenant=tenant, api_key=api_key)
        self._channel = _channel(target, tls)
        self._gateway = gateway_pb2_grpc.GatewayServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def generate(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.GenerateResponse:
        """Return the answer, or the canned reply: `degraded` is set in a canned reply only."""
        return await self._ask(self._gateway.Generate, request, timeout_s)

    def stream(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> AnswerStream:
        """Start a streamed answer and return its events; use it as `async with`, or read it to its end."""
        same = gateway_pb2.StreamGenerateRequest.FromString(request.SerializeToString())
        return AnswerStream(self._gateway.StreamGenerate(same, timeout=timeout_s, metadata=self._metadata))

    async def explain(
        self,
        request: gateway_pb2.GenerateRequest | gateway_pb2.EmbedRequest,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> gateway_pb2.ExplainResponse:
        """Return how the request would be scored and routed; no model is called."""
        same = explain_request(request)
        return await self._ask(self._gateway.Explain, same, timeout_s)

    async def count_tokens(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.CountTokensResponse:
        """Return how many tokens the prompt of a request has; no provider is asked."""
        counted = gateway_pb2.CountTokensRequest(
            messages=request.messages, config=request.config, model=request.model
        )
        return await self._ask(self._gateway.CountTokens, counted, timeout_s)

    async def embed(
        self, request: gateway_pb2.EmbedRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.EmbedResponse:
        """Return a vector for each text, all of the vector space that the response names."""
        return await self._ask(self._gateway.Embed, request, timeout_s)

    async def list_models(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> gateway_pb2.ListModelsResponse:
        """Return the models of the policy, and what they can do."""
        return await self._ask(self._gateway.ListModels, gateway_pb2.ListModelsRequest(), timeout_s)

    async def get_handoff(
        self, ticket_id: str, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.GetHandoffResponse:
        """Return the state of a hand-off; `answer` is set once a person has answered."""
        request = gateway_pb2.GetHandoffRequest(ticket_id=ticket_id)
        return await self._ask(self._gateway.GetHandoff, request, timeout_s)

    async def submit_feedback(
        self,
        request_id: str,
        score: float,
        *,
        labels: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> gateway_pb2.SubmitFeedbackResponse:
        """Rate the answer to a request from 0 to 1; the last feedback of a request counts."""
        request = gateway_pb2.SubmitFeedbackRequest(request_id=request_id, score=score, labels=labels)
        return await self._ask(self._gateway.SubmitFeedback, request, timeout_s)

    async def end_session(
        self, session_id: str, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.EndSessionResponse:
        """Forget a conversation: the next request with its id begins a new one."""
        request = gateway_pb2.EndSessionRequest(session_id=session_id)
        return await self._ask(self._gateway.EndSession, request, timeout_s)

    async def health(self, service: str = "", *, timeout_s: float = HEALTH_TIMEOUT_S) -> str:
        """Return SERVING, NOT_SERVING or another status of grpc.health.v1; an unknown service fails."""
        request = health_pb2.HealthCheckRequest(service=service)
        response = await self._ask(self._health.Check, request, timeout_s)
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
        return name

    async def _ask(
        self, method: Callable[..., Awaitable[Response]], request: Message, timeout_s: float
    ) -> Response:
        try:
            return await method(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise failure_of(error) from error


def _channel(target: str, tls: ClientTls | None) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(target, options=channel_options())
    return grpc.aio.secure_channel(target, tls.credentials(), options=channel_options(tls))
