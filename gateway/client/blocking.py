"""GatewayClient for code without an event loop; the same calls, deadlines, retries and errors."""

from collections.abc import Callable, Mapping
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
from gateway.client.streaming import SyncAnswerStream
from gateway.v1 import gateway_pb2, gateway_pb2_grpc

Response = TypeVar("Response")


class SyncGatewayClient:
    """A connection to one gateway, for use as `with`, thread-safe; every method raises CallFailed only."""

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        self._channel.close()

    def generate(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.GenerateResponse:
        """Return the answer, or the canned reply: `degraded` is set in a canned reply only."""
        return self._ask(self._gateway.Generate, request, timeout_s)

    def stream(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> SyncAnswerStream:
        """Start a streamed answer and return its events; use it as `with`, or read it to its end."""
        same = gateway_pb2.StreamGenerateRequest.FromString(request.SerializeToString())
        return SyncAnswerStream(
            self._gateway.StreamGenerate(same, timeout=timeout_s, metadata=self._metadata)
        )

    def explain(
        self,
        request: gateway_pb2.GenerateRequest | gateway_pb2.EmbedRequest,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> gateway_pb2.ExplainResponse:
        """Return how the request would be scored and routed; no model is called."""
        same = explain_request(request)
        return self._ask(self._gateway.Explain, same, timeout_s)

    def count_tokens(
        self, request: gateway_pb2.GenerateRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.CountTokensResponse:
        """Return how many tokens the prompt of a request has; no provider is asked."""
        counted = gateway_pb2.CountTokensRequest(
            messages=request.messages, config=request.config, model=request.model
        )
        return self._ask(self._gateway.CountTokens, counted, timeout_s)

    def embed(
        self, request: gateway_pb2.EmbedRequest, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.EmbedResponse:
        """Return a vector for each text, all of the vector space that the response names."""
        return self._ask(self._gateway.Embed, request, timeout_s)

    def list_models(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> gateway_pb2.ListModelsResponse:
        """Return the models of the policy, and what they can do."""
        return self._ask(self._gateway.ListModels, gateway_pb2.ListModelsRequest(), timeout_s)

    def get_handoff(
        self, ticket_id: str, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.GetHandoffResponse:
        """Return the state of a hand-off; `answer` is set once a person has answered."""
        request = gateway_pb2.GetHandoffRequest(ticket_id=ticket_id)
        return self._ask(self._gateway.GetHandoff, request, timeout_s)

    def submit_feedback(
        self,
        request_id: str,
        score: float,
        *,
        labels: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> gateway_pb2.SubmitFeedbackResponse:
        """Rate the answer to a request from 0 to 1; the last feedback of a request counts."""
        request = gateway_pb2.SubmitFeedbackRequest(request_id=request_id, score=score, labels=labels)
        return self._ask(self._gateway.SubmitFeedback, request, timeout_s)

    def end_session(
        self, session_id: str, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> gateway_pb2.EndSessionResponse:
        """Forget a conversation: the next request with its id begins a new one."""
        request = gateway_pb2.EndSessionRequest(session_id=session_id)
        return self._ask(self._gateway.EndSession, request, timeout_s)

    def health(self, service: str = "", *, timeout_s: float = HEALTH_TIMEOUT_S) -> str:
        """Return SERVING, NOT_SERVING or another status of grpc.health.v1; an unknown service fails."""
        request = health_pb2.HealthCheckRequest(service=service)
        response = self._ask(self._health.Check, request, timeout_s)
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
        return name

    def _ask(self, method: Callable[..., Response], request: Message, timeout_s: float) -> Response:
        try:
            return method(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise failure_of(error) from error


def _channel(target: str, tls: ClientTls | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(target, options=channel_options())
    return grpc.secure_channel(target, tls.credentials(), options=channel_options(tls))
