"""The gRPC service: wire in, pipeline, wire out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import grpc

from gateway.server.boundary import Boundary, Scope, tolerant
from gateway.server.current import Current
from gateway.server.render import render_answer, render_decision, render_event, render_explanation
from gateway.server.wire import AnyRequest, parse_request
from gateway.telemetry.logs import answer_fields, decision_fields
from gateway.types import Answer, Request
from gateway.v1 import gateway_pb2 as pb

SERVICE = "gateway.v1.GatewayService"
OFF_LOOP_SCHEMA_CHARS = 4096
"""Checking a JSON schema takes about 5 ms per kB; longer ones are checked in a thread."""


class GatewayService:
    """The three calls of `gateway.v1.GatewayService`."""

    def __init__(self, current: Current) -> None:
        self._current = current

    async def generate(self, message: pb.GenerateRequest, scope: Scope) -> pb.GenerateResponse:
        """Score, route, answer."""
        request = await _parse(message, scope)
        with self._current.begin() as pipeline:
            deadline = pipeline.deadline(scope.remaining_s)
            decision = await pipeline.decide(request, deadline)
            scope.line.update(decision_fields(decision))
            answer = await pipeline.generate(request, decision, deadline)
        scope.line.update(answer_fields(answer))
        return render_answer(request.request_id, decision, answer)

    async def stream_generate(
        self, message: pb.StreamGenerateRequest, scope: Scope
    ) -> AsyncGenerator[pb.StreamGenerateResponse, None]:
        """Score, route, and send the answer as it is made."""
        request = await _parse(message, scope)
        with self._current.begin() as pipeline:
            deadline = pipeline.deadline(scope.remaining_s)
            decision = await pipeline.decide(request, deadline)
            scope.line.update(decision_fields(decision))
            yield pb.StreamGenerateResponse(decision=render_decision(decision))
            async with aclosing(pipeline.stream(request, decision, deadline)) as events:
                async for event in events:
                    if isinstance(event, Answer):
                        scope.line.update(answer_fields(event))
                    yield render_event(request.request_id, decision, event)

    async def explain(self, message: pb.ExplainRequest, scope: Scope) -> pb.ExplainResponse:
        """Score and decide only."""
        request = await _parse(message, scope)
        with self._current.begin() as pipeline:
            decision = await pipeline.decide(request, pipeline.deadline(scope.remaining_s))
        scope.line.update(decision_fields(decision))
        return render_explanation(decision)


def add_service(server: grpc.aio.Server, service: GatewayService, boundary: Boundary) -> None:
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
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


async def _parse(message: AnyRequest, scope: Scope) -> Request:
    if len(message.config.json_schema) > OFF_LOOP_SCHEMA_CHARS:
        request = await asyncio.to_thread(
            parse_request, message, tenant=scope.tenant, new_id=scope.request_id
        )
    else:
        request = parse_request(message, tenant=scope.tenant, new_id=scope.request_id)
    scope.request_id = request.request_id
    return replace(request, languages=scope.languages) if scope.languages else request
