"""The gRPC service: wire in, pipeline, wire out."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc

from gateway.clock import Deadline
from gateway.errors import DeadlinePassed, RecordsOff
from gateway.extras.mirror.mirror import Mirror
from gateway.pipeline.active_policy import ActivePolicy
from gateway.pipeline.run import Pipeline
from gateway.policy.model import Policy
from gateway.server.grpc.middleware import CallScope, RpcMiddleware, tolerant
from gateway.server.grpc.render import (
    render_answer,
    render_decision,
    render_event,
    render_explanation,
    render_feedback,
    render_handoff,
)
from gateway.server.grpc.wire import (
    AnyRequest,
    parse_feedback,
    parse_request,
    parse_request_id,
    parse_ticket_id,
    prompt_tokens,
)
from gateway.types import Decision, Feedback, Request
from gateway.v1 import gateway_pb2 as pb

SERVICE = "gateway.v1.GatewayService"

TakeFeedback = Callable[[Feedback, Policy], float]
"""Takes down what a caller says of an answer, and returns when, in seconds since 1970."""


class GatewayService:
    """The calls of `gateway.v1.GatewayService`; without `take_feedback` there is nowhere to put any.

    A `mirror` draws those that are answered a second time.
    """

    def __init__(
        self,
        current: ActivePolicy,
        *,
        take_feedback: TakeFeedback | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        self._current = current
        self._take_feedback = take_feedback
        self._mirror = mirror

    async def generate(self, message: pb.GenerateRequest, scope: CallScope) -> pb.GenerateResponse:
        """Score, route, answer."""
        async with self._admitted(message, scope) as (pipeline, deadline):
            request, decision = await _decide(pipeline, message, deadline, scope)
            scope.answer = await pipeline.generate(request, decision, deadline, scope.trail)
            self._draw(request, decision, pipeline, scope)
        return render_answer(request.request_id, decision, scope.answer)

    async def stream_generate(
        self, message: pb.StreamGenerateRequest, scope: CallScope
    ) -> AsyncGenerator[pb.StreamGenerateResponse, None]:
        """Score, route, and send the answer as it is made."""
        async with self._admitted(message, scope) as (pipeline, deadline):
            request, decision = await _decide(pipeline, message, deadline, scope)
            yield pb.StreamGenerateResponse(decision=render_decision(decision))
            async with aclosing(pipeline.stream(request, decision, deadline, scope.trail)) as events:
                async for event in events:
                    scope.note(event)
                    yield render_event(request.request_id, decision, event)
            self._draw(request, decision, pipeline, scope)

    @asynccontextmanager
    async def _admitted(
        self, message: AnyRequest, scope: CallScope
    ) -> AsyncGenerator[tuple[Pipeline, Deadline], None]:
        """Hold the request's place, with its pipeline and deadline; raises before any work is done for it."""
        scope.request_id = parse_request_id(message, new_id=scope.request_id)
        with self._current.begin() as pipeline:
            scope.deadline = deadline = pipeline.deadline(scope.due)
            pipeline.admit(scope.tenant, prompt_tokens(message))
            async with pipeline.place(scope.tenant, deadline):
                yield pipeline, deadline

    def _draw(self, request: Request, decision: Decision, pipeline: Pipeline, scope: CallScope) -> None:
        """Have a request that is drawn answered again, once its caller has the answer."""
        if self._mirror is not None and pipeline.policy.mirror is not None and scope.answer is not None:
            scope.afterwards = self._mirror.drawn(request, decision, scope.answer, pipeline.policy)

    async def explain(self, message: pb.ExplainRequest, scope: CallScope) -> pb.ExplainResponse:
        """Score and decide only."""
        async with self._admitted(message, scope) as (pipeline, deadline):
            _, decision = await _decide(pipeline, message, deadline, scope)
        return render_explanation(decision)

    async def get_handoff(self, message: pb.GetHandoffRequest, scope: CallScope) -> pb.GetHandoffResponse:
        """Say what became of a request that was handed to a person."""
        ticket_id = parse_ticket_id(message.ticket_id)
        with self._current.begin() as pipeline:
            fetched = await pipeline.fetch_handoff(ticket_id, tenant=scope.tenant)
        return render_handoff(fetched)

    async def submit_feedback(
        self, message: pb.SubmitFeedbackRequest, scope: CallScope
    ) -> pb.SubmitFeedbackResponse:
        """Take down how good an answer was; nobody is told whether there was such a request."""
        feedback = parse_feedback(message, tenant=scope.tenant)
        scope.request_id = feedback.request_id
        if self._take_feedback is None:
            raise RecordsOff("this gateway keeps no records to join it to: gateway serve --decisions FILE")
        with self._current.begin() as pipeline:
            pipeline.admit(feedback.tenant, prompt_tokens=0)
            taken_unix_s = self._take_feedback(feedback, pipeline.policy)
        return render_feedback(taken_unix_s)


def add_service(server: grpc.aio.Server, service: GatewayService, boundary: RpcMiddleware) -> None:
    """Register the service with deserializers that do not fail in the library."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Generate": grpc.unary_unary_rpc_method_handler(
            boundary.unary("Generate", service.generate),
            request_deserializer=tolerant(pb.GenerateRequest),
            response_serializer=pb.GenerateResponse.SerializeToString,
        ),
        "StreamGenerate": grpc.unary_stream_rpc_method_handler(
            boundary.streaming("StreamGenerate", service.stream_generate),
            request_deserializer=tolerant(pb.StreamGenerateRequest),
            response_serializer=pb.StreamGenerateResponse.SerializeToString,
        ),
        "Explain": grpc.unary_unary_rpc_method_handler(
            boundary.unary("Explain", service.explain),
            request_deserializer=tolerant(pb.ExplainRequest),
            response_serializer=pb.ExplainResponse.SerializeToString,
        ),
    }
    handlers["GetHandoff"] = grpc.unary_unary_rpc_method_handler(
        boundary.unary("GetHandoff", service.get_handoff),
        request_deserializer=tolerant(pb.GetHandoffRequest),
        response_serializer=pb.GetHandoffResponse.SerializeToString,
    )
    handlers["SubmitFeedback"] = grpc.unary_unary_rpc_method_handler(
        boundary.unary("SubmitFeedback", service.submit_feedback),
        request_deserializer=tolerant(pb.SubmitFeedbackRequest),
        response_serializer=pb.SubmitFeedbackResponse.SerializeToString,
    )
    # Not as registered methods: of those, grpc.aio does not tell a handler that its caller has left.
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


async def _decide(
    pipeline: Pipeline, message: AnyRequest, deadline: Deadline, scope: CallScope
) -> tuple[Request, Decision]:
    """Check and score a request and say where it may go, while there is time to reply; GatewayError."""
    began_s = scope.trail.elapsed_s
    try:
        async with asyncio.timeout(pipeline.left_s(deadline)) as limit:
            async with pipeline.turn_to_check(scope.tenant, message.config.json_schema, deadline):
                request = _parse(message, scope)
            scope.decision = decision = await pipeline.decide(request, deadline)
            scope.decision_s = scope.trail.elapsed_s - began_s
            scope.policy = pipeline.policy
            scope.shadow = await pipeline.shadowed(request, decision, deadline)
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlinePassed("the deadline passed before the request was scored") from None
    return request, decision


def _parse(message: AnyRequest, scope: CallScope) -> Request:
    request = parse_request(message, tenant=scope.tenant, new_id=scope.request_id)
    return replace(request, languages=scope.languages) if scope.languages else request
