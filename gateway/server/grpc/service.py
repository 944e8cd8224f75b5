"""The calls of `gateway.v1.GatewayService`: parse, run, render."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from operator import methodcaller
from typing import Any

import grpc

from gateway.pipeline.context import CallContext
from gateway.pipeline.run import Pipeline
from gateway.server.grpc.embed_messages import asks_for_vectors, incoming_texts, render_vectors
from gateway.server.grpc.middleware import SERVICE, RpcMiddleware
from gateway.server.grpc.render import (
    render_answer,
    render_event,
    render_explanation,
    render_feedback,
    render_handoff,
    render_models,
)
from gateway.server.grpc.wire import incoming, parse_feedback
from gateway.server.validation.feedback import parse_ticket_id
from gateway.server.validation.request import parse_session_id
from gateway.v1 import gateway_pb2 as pb


async def _generate(
    message: pb.GenerateRequest, context: CallContext, pipeline: Pipeline
) -> pb.GenerateResponse:
    return render_answer(context.request_id, await pipeline.run(incoming(message, context), context))


async def _stream_generate(
    message: pb.StreamGenerateRequest, context: CallContext, pipeline: Pipeline
) -> AsyncGenerator[pb.StreamGenerateResponse, None]:
    async with aclosing(pipeline.stream(incoming(message, context), context)) as events:
        async for event in events:
            yield render_event(context.request_id, event)


async def _embed(message: pb.EmbedRequest, context: CallContext, pipeline: Pipeline) -> pb.EmbedResponse:
    answer = await pipeline.run(incoming_texts(message, context), context)
    return render_vectors(context.request_id, answer, pipeline.policy)


async def _explain(
    message: pb.ExplainRequest, context: CallContext, pipeline: Pipeline
) -> pb.ExplainResponse:
    asked = incoming_texts if asks_for_vectors(message) else incoming
    return render_explanation(await pipeline.explain(asked(message, context), context))


async def _count_tokens(
    message: pb.CountTokensRequest, context: CallContext, pipeline: Pipeline
) -> pb.CountTokensResponse:
    counted = await pipeline.count_tokens(incoming(message, context), context)
    return pb.CountTokensResponse(
        prompt_tokens=counted.prompt_tokens, model=counted.model, is_estimate=counted.is_estimate
    )


async def _list_models(
    _: pb.ListModelsRequest, context: CallContext, pipeline: Pipeline
) -> pb.ListModelsResponse:
    pipeline.pass_rates(context.tenant)
    return render_models(pipeline.policy, key_name=context.key_name, lacking=pipeline.lacking)


async def _get_handoff(
    message: pb.GetHandoffRequest, context: CallContext, pipeline: Pipeline
) -> pb.GetHandoffResponse:
    ticket_id = parse_ticket_id(message.ticket_id)
    return render_handoff(await pipeline.fetch_handoff(ticket_id, context))


async def _submit_feedback(
    message: pb.SubmitFeedbackRequest, context: CallContext, pipeline: Pipeline
) -> pb.SubmitFeedbackResponse:
    return render_feedback(pipeline.take_feedback(parse_feedback(message, tenant=context.tenant)))


async def _end_session(
    message: pb.EndSessionRequest, context: CallContext, pipeline: Pipeline
) -> pb.EndSessionResponse:
    session_id = parse_session_id(message.session_id)
    return pb.EndSessionResponse(was_known=await pipeline.end_session(session_id, context))


def add_service(server: grpc.aio.Server, middleware: RpcMiddleware) -> None:
    """Register the service without deserializers: bytes are decoded once it is known who sent them."""
    unary = {
        "Generate": middleware.unary("Generate", pb.GenerateRequest, _generate),
        "Embed": middleware.unary("Embed", pb.EmbedRequest, _embed),
        "Explain": middleware.unary("Explain", pb.ExplainRequest, _explain),
        "CountTokens": middleware.unary("CountTokens", pb.CountTokensRequest, _count_tokens),
        "ListModels": middleware.unary("ListModels", pb.ListModelsRequest, _list_models),
        "GetHandoff": middleware.unary("GetHandoff", pb.GetHandoffRequest, _get_handoff),
        "SubmitFeedback": middleware.unary("SubmitFeedback", pb.SubmitFeedbackRequest, _submit_feedback),
        "EndSession": middleware.unary("EndSession", pb.EndSessionRequest, _end_session),
    }
    serialize = methodcaller("SerializeToString")
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(serve, response_serializer=serialize)
        for name, serve in unary.items()
    }
    handlers["StreamGenerate"] = grpc.unary_stream_rpc_method_handler(
        middleware.streaming("StreamGenerate", pb.StreamGenerateRequest, _stream_generate),
        response_serializer=serialize,
    )
    # Not as registered methods: of those, grpc.aio does not tell a handler that its caller has left.
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
