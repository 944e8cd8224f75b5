"""Embed on the wire: from protobuf to a Request, and from an answer to its vectors."""

from gateway.domain.answer import Answer
from gateway.domain.conversation import Message, Role
from gateway.domain.request import EmbeddingConfig, Hints, Request
from gateway.domain.vectors import numbers_of
from gateway.errors import InvalidRequest
from gateway.ledger.money import NANOS_PER_USD
from gateway.pipeline.context import CallContext, IncomingRequest
from gateway.pipeline.steps import Steps
from gateway.policy.model import Policy
from gateway.server.grpc.decode import parse_request_id
from gateway.server.grpc.render import ROUTES, render_attempt, render_decision, render_usage
from gateway.server.grpc.wire import BYTES_PER_TOKEN, hints_of
from gateway.server.validation.embedding import check_input_count
from gateway.server.validation.request import check_label_count, checking_steps
from gateway.v1 import gateway_pb2 as pb

AnyTexts = pb.EmbedRequest | pb.ExplainRequest
_OF_A_CHAT = ("messages", "config", "session_id")
"""Fields of ExplainRequest that a request for embeddings lacks."""


def asks_for_vectors(message: pb.ExplainRequest) -> bool:
    """Whether a request for embeddings is to be explained; raises InvalidRequest if it is a chat too."""
    if not (message.input or message.HasField("dimensions")):
        return False
    for field, _ in message.ListFields():
        if field.name in _OF_A_CHAT:
            raise InvalidRequest(field.name, "must be unset where there is input, or dimensions")
    return True


def incoming_texts(message: AnyTexts, context: CallContext) -> IncomingRequest:
    """Return a request for embeddings that is checked when it is admitted."""
    text_bytes = sum(len(text.encode()) for text in message.input)
    return IncomingRequest(
        prompt_tokens=-(-text_bytes // BYTES_PER_TOKEN),
        parse=lambda: embed_steps(message, tenant=context.tenant, new_id=context.request_id),
    )


def embed_steps(message: AnyTexts, *, tenant: str, new_id: str) -> Steps[Request]:
    """Return the request that a message holds; raises InvalidRequest with the first bad field."""
    check_input_count(len(message.input))
    check_label_count(len(message.labels))
    request = Request(
        request_id=parse_request_id(message, new_id=new_id),
        tenant=tenant,
        messages=tuple(Message(role=Role.USER, content=text) for text in message.input),
        hints=hints_of(message.hints) if message.HasField("hints") else Hints(),
        labels=dict(message.labels),
        model=message.model,
        embedding=EmbeddingConfig(dimensions=message.dimensions if message.HasField("dimensions") else None),
    )
    return (yield from checking_steps(request))


def render_vectors(request_id: str, answer: Answer, policy: Policy) -> pb.EmbedResponse:
    """Return the vectors of an answer, with what GenerateResponse has of one."""
    response = pb.EmbedResponse(
        request_id=request_id,
        embeddings=[pb.Embedding(values=numbers_of(each)) for each in answer.vectors],
        space=policy.models[answer.model].space,
        route=ROUTES[answer.route],
        model=answer.model,
        cost_usd=answer.cost_usd_nanos / NANOS_PER_USD,
        decision=render_decision(answer.decision),
        attempts=[render_attempt(attempt) for attempt in answer.attempts],
    )
    if answer.usage is not None:
        response.usage.CopyFrom(render_usage(answer.usage))
    return response
