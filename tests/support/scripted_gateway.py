"""A gateway service that does what a test says, on a real gRPC server: for client and command line."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from gateway.v1 import gateway_pb2 as pb
from gateway.v1 import gateway_pb2_grpc

Context = grpc.aio.ServicerContext[Message, Message]
Behaviour = Callable[[Context], Awaitable[None]]

ANSWER = pb.GenerateResponse(
    request_id="r-1",
    text="hello",
    message=pb.Message(role=pb.ROLE_ASSISTANT, content="hello"),
    finish_reason=pb.FINISH_REASON_STOP,
    usage=pb.Usage(prompt_tokens=7, completion_tokens=2),
    route=pb.ROUTE_CLOUD,
    model="cloud",
    cost_usd=0.000006,
    decision=pb.Decision(
        scores=pb.Scores(complexity=0.7, privacy=0.0, budget=0.25),
        privacy_class=pb.PRIVACY_CLASS_PUBLIC,
        privacy_reason="nothing found",
        rule="hard",
        chain=["cloud"],
        refused=[pb.Refusal(model="edge", reason=pb.REASON_CONTEXT_LENGTH_EXCEEDED)],
        policy_hash="0123456789abcdef",
    ),
    attempts=[
        pb.Attempt(
            model="cloud", outcome=pb.OUTCOME_FAILED, reason=pb.REASON_UPSTREAM_ERROR, duration_ms=12.4
        ),
        pb.Attempt(
            model="cloud",
            outcome=pb.OUTCOME_ANSWERED,
            start_ms=230.0,
            duration_ms=40.0,
            prompt_tokens=7,
            completion_tokens=2,
            cost_usd=0.000006,
        ),
    ],
)


def delta(text: str, *, attempt: int = 0) -> pb.StreamGenerateResponse:
    """Return a piece of an answer."""
    return pb.StreamGenerateResponse(delta=pb.Delta(text=text, attempt=attempt))


def restart(model: str) -> pb.StreamGenerateResponse:
    """Return the event that voids the text so far."""
    return pb.StreamGenerateResponse(restart=pb.Restart(model=model, reason=pb.REASON_STREAM_TRUNCATED))


def completed(answer: pb.GenerateResponse = ANSWER) -> pb.StreamGenerateResponse:
    """Return the event that ends a stream well."""
    return pb.StreamGenerateResponse(completed=answer)


async def _succeed(context: Context) -> None:
    """Let the call succeed."""


def status(code: int, *details: Message) -> status_pb2.Status:
    """Return a rich status with a fixed message."""
    packed = []
    for detail in details:
        packed.append(Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message="edge: too many wait", details=packed)


def failing(code: int, *details: Message, pushback_ms: int | None = None) -> Behaviour:
    """Return the behaviour that ends a call with a rich status."""

    async def fail(context: Context) -> None:
        rich = rpc_status.to_status(status(code, *details))
        pushback = () if pushback_ms is None else (("grpc-retry-pushback-ms", str(pushback_ms)),)
        await context.abort(rich.code, rich.details, (*rich.trailing_metadata, *pushback))

    return fail


class ScriptedGateway(gateway_pb2_grpc.GatewayServiceServicer):
    """Remembers what it was asked and gives `answer` and `events`, after what `behaviour` does."""

    def __init__(self) -> None:
        self.answer = ANSWER
        self.events: Sequence[pb.StreamGenerateResponse] = (delta("hel"), delta("lo"), completed())
        self.handoff = pb.GetHandoffResponse(ticket_id="ho_1", state=pb.HANDOFF_STATE_PENDING)
        self.behaviour: Behaviour = _succeed
        self.requests: list[Message] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.was_called = asyncio.Event()
        self.was_cancelled = asyncio.Event()

    async def _called(self, request: Message, context: Context) -> None:
        self.was_called.set()
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        await self.behaviour(context)

    async def Generate(  # noqa: N802  # The name is the proto's.
        self, request: pb.GenerateRequest, context: Context
    ) -> pb.GenerateResponse:
        """Answer."""
        await self._called(request, context)
        return self.answer

    async def Embed(  # noqa: N802  # The name is the proto's.
        self, request: pb.EmbedRequest, context: Context
    ) -> pb.EmbedResponse:
        """Embed: each text as (3, 4)."""
        await self._called(request, context)
        return pb.EmbedResponse(
            model="near",
            space="small-v1",
            usage=pb.Usage(prompt_tokens=7),
            embeddings=[pb.Embedding(values=[0.6, 0.8]) for _ in request.input],
        )

    async def CountTokens(  # noqa: N802  # The name is the proto's.
        self, request: pb.CountTokensRequest, context: Context
    ) -> pb.CountTokensResponse:
        """Count."""
        await self._called(request, context)
        return pb.CountTokensResponse(prompt_tokens=len(request.messages), model="edge")

    async def ListModels(  # noqa: N802  # The name is the proto's.
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        """List."""
        await self._called(request, context)
        return pb.ListModelsResponse(models=[pb.ModelInfo(name="edge", place=pb.ROUTE_LOCAL)])

    async def Explain(  # noqa: N802  # The name is the proto's.
        self, request: pb.ExplainRequest, context: Context
    ) -> pb.ExplainResponse:
        """Explain."""
        await self._called(request, context)
        return pb.ExplainResponse(decision=self.answer.decision)

    async def GetHandoff(  # noqa: N802  # The name is the proto's.
        self, request: pb.GetHandoffRequest, context: Context
    ) -> pb.GetHandoffResponse:
        """Tell of a ticket."""
        await self._called(request, context)
        return self.handoff

    async def SubmitFeedback(  # noqa: N802  # The name is the proto's.
        self, request: pb.SubmitFeedbackRequest, context: Context
    ) -> pb.SubmitFeedbackResponse:
        """Take feedback."""
        await self._called(request, context)
        return pb.SubmitFeedbackResponse(create_time=Timestamp(seconds=9))

    async def EndSession(  # noqa: N802  # The name is the proto's.
        self, request: pb.EndSessionRequest, context: Context
    ) -> pb.EndSessionResponse:
        """Forget a conversation."""
        await self._called(request, context)
        return pb.EndSessionResponse(was_known=True)

    async def StreamGenerate(  # noqa: N802  # The name is the proto's.
        self, request: pb.StreamGenerateRequest, context: Context
    ) -> AsyncIterator[pb.StreamGenerateResponse]:
        """Send the first event, then behave, then send the others."""
        try:
            first, *others = self.events
            yield first
            await self._called(request, context)
            for event in others:
                yield event
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise


@asynccontextmanager
async def serving(service: ScriptedGateway) -> AsyncIterator[str]:
    """Serve `service` and grpc.health.v1 (all well but the model `edge`) on loopback; yield HOST:PORT."""
    server = grpc.aio.server()
    gateway_pb2_grpc.add_GatewayServiceServicer_to_server(service, server)
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    await servicer.set("model.edge", health_pb2.HealthCheckResponse.NOT_SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
