"""The engine's gRPC service on its unix socket.

The event loop serves calls, a small pool renders and tokenizes, and one thread owns the model.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_status import rpc_status

from gateway import errors
from gateway.clock import Clock, Deadline
from gateway.domain.answer import FinishReason, ToolCallDelta
from gateway.domain.grpc_timeout import FRESH_TIMEOUTS, least_sent_s
from gateway.engine.interfaces import EngineRequest, Model, SampledLogprob
from gateway.engine.prompt import PromptMaker
from gateway.engine.request_errors import fault_of
from gateway.engine.requests import engine_request_of, prompt_length
from gateway.engine.scheduler import Scheduler
from gateway.engine.sequence import StepOutput
from gateway.engine.status import status_of
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.errors import StartupError

ERROR_DOMAIN = "engine.gateway.v1"

_TOKENIZER_THREADS = 2
LONG_BYTES = 8 * 1024
"""A longer request is prepared in a thread of its own, so that short ones do not wait: a schema of 64 kB
takes 0.1 s."""
_FINISH_REASONS = {
    FinishReason.STOP: engine_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: engine_pb2.FINISH_REASON_LENGTH,
    FinishReason.STOP_SEQUENCE: engine_pb2.FINISH_REASON_STOP_SEQUENCE,
    FinishReason.TOOL_CALLS: engine_pb2.FINISH_REASON_TOOL_CALLS,
}

HEARTBEAT_S = 2.0
"""After so long without output, a request in the queue or in prefill gets an empty output as a heartbeat."""


class OutputRouter:
    """Passes the outputs of the scheduler's thread to the coroutines that wait for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[int, asyncio.Queue[StepOutput]] = {}

    def deliver(self, outputs: list[StepOutput]) -> None:
        """Deliver the outputs of one step; called from the scheduler's thread."""
        self._loop.call_soon_threadsafe(self._dispatch, outputs)

    def open(self, ticket: int) -> asyncio.Queue[StepOutput]:
        """Return the output queue of a ticket; call it after `submit`, before the loop runs again."""
        self._queues[ticket] = asyncio.Queue()
        return self._queues[ticket]

    def close(self, ticket: int) -> None:
        """Drop further outputs of a ticket."""
        del self._queues[ticket]

    def _dispatch(self, outputs: list[StepOutput]) -> None:
        for output in outputs:
            if output.ticket in self._queues:
                self._queues[output.ticket].put_nowait(output)


async def next_or_heartbeat(
    queue: asyncio.Queue[StepOutput], ticket: int, *, iterations: Callable[[], int]
) -> StepOutput:
    """Return the next output, or an empty one after `HEARTBEAT_S` if the scheduler made progress."""
    while True:
        before = iterations()
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await queue.get()
        except TimeoutError:
            if iterations() != before:
                return StepOutput(ticket=ticket)


class EngineService(engine_pb2_grpc.EngineServiceServicer):
    """gateway.engine.v1.EngineService for one loaded model."""

    def __init__(
        self,
        *,
        name: str,
        model: Model,
        prompts: PromptMaker,
        scheduler: Scheduler,
        router: OutputRouter,
        clock: Clock,
        report: Callable[[str], None],
        sampling_defaults: Mapping[str, float],
    ) -> None:
        """`sampling_defaults` are those of the model file, for what a request does not set."""
        self._name = name
        self._sampling_defaults = sampling_defaults
        self._model = model
        self._prompts = prompts
        self._scheduler = scheduler
        self._router = router
        self._clock = clock
        self._report = report
        self._pool = ThreadPoolExecutor(_TOKENIZER_THREADS, thread_name_prefix="tokenize")
        self._long_pool = ThreadPoolExecutor(1, thread_name_prefix="tokenize-long")

    async def Generate(  # noqa: N802  the name is the proto's
        self,
        request: engine_pb2.GenerateRequest,
        context: grpc.aio.ServicerContext[engine_pb2.GenerateRequest, engine_pb2.GenerateResponse],
    ) -> AsyncIterator[engine_pb2.GenerateResponse]:
        """Generate the answer to one request; the last response holds `finished`."""
        remaining_s = context.time_remaining()
        deadline = Deadline.never()
        if remaining_s is not None:
            deadline = Deadline.after(least_sent_s(remaining_s), self._clock)
        async with self._told_errors(context):
            prepared = await self._prepare(request, deadline)
            async for output in self._run(prepared):
                yield _response(self._model, output)

    async def GetStatus(  # noqa: N802  the name is the proto's
        self,
        request: engine_pb2.GetStatusRequest,
        context: grpc.aio.ServicerContext[engine_pb2.GetStatusRequest, engine_pb2.GetStatusResponse],
    ) -> engine_pb2.GetStatusResponse:
        """Return what is loaded and how busy the engine is."""
        return status_of(self._name, self._model, self._scheduler)

    async def CountTokens(  # noqa: N802  the name is the proto's
        self,
        request: engine_pb2.CountTokensRequest,
        context: grpc.aio.ServicerContext[engine_pb2.CountTokensRequest, engine_pb2.CountTokensResponse],
    ) -> engine_pb2.CountTokensResponse:
        """Return how long a prompt is."""
        async with self._told_errors(context):
            count = partial(prompt_length, request, name=self._name, prompts=self._prompts)
            tokens = await asyncio.get_running_loop().run_in_executor(self._pool_for(request), count)
        return engine_pb2.CountTokensResponse(prompt_tokens=tokens)

    @asynccontextmanager
    async def _told_errors(self, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """End the call with the status of an error of the block."""
        try:
            yield
        except errors.GatewayError as error:
            await context.abort_with_status(rpc_status.to_status(to_rpc_status(error)))
        except Exception as error:  # noqa: BLE001  reported without its text, which may quote the request
            fault = fault_of(error, model=self._name)
            self._report(str(fault))
            await context.abort_with_status(rpc_status.to_status(to_rpc_status(fault)))

    def _pool_for(self, request: message.Message) -> ThreadPoolExecutor:
        return self._pool if request.ByteSize() <= LONG_BYTES else self._long_pool

    async def _prepare(self, request: engine_pb2.GenerateRequest, deadline: Deadline) -> EngineRequest:
        return await asyncio.get_running_loop().run_in_executor(
            self._pool_for(request), self._to_engine_request, request, deadline
        )

    def _to_engine_request(self, request: engine_pb2.GenerateRequest, deadline: Deadline) -> EngineRequest:
        """Check, render and tokenize a request; runs in a pool."""
        return engine_request_of(
            request,
            name=self._name,
            prompts=self._prompts,
            model=self._model,
            deadline=deadline,
            sampling_defaults=self._sampling_defaults,
        )

    async def _run(self, request: EngineRequest) -> AsyncIterator[StepOutput]:
        ticket = self._scheduler.submit(request)
        queue = self._router.open(ticket)
        is_over = False
        try:
            while not is_over:
                output = await next_or_heartbeat(queue, ticket, iterations=lambda: self._scheduler.iterations)
                is_over = output.is_last
                if output.failure is not None:
                    raise output.failure
                yield output
        finally:
            self._router.close(ticket)
            if not is_over:
                self._scheduler.cancel(ticket)


def _response(model: Model, output: StepOutput) -> engine_pb2.GenerateResponse:
    response = engine_pb2.GenerateResponse(
        text=output.text,
        reasoning="".join(piece.reasoning for piece in output.pieces),
        tool_calls=[_delta(each) for piece in output.pieces for each in piece.tool_calls],
    )
    if output.logprobs and output.usage is not None:
        response.logprobs.extend(_logprob(model, each) for each in output.logprobs)
        response.prompt_tokens = output.usage.prompt_tokens
        response.completion_tokens = output.usage.completion_tokens
    if output.finish_reason is not None and output.usage is not None:
        response.finished.reason = _FINISH_REASONS[output.finish_reason]
        response.finished.prompt_tokens = output.usage.prompt_tokens
        response.finished.completion_tokens = output.usage.completion_tokens
        response.finished.reused_tokens = output.reused_tokens
        response.finished.stop_sequence = output.stop_sequence
        response.finished.reasoning_tokens = output.usage.reasoning_tokens
    return response


def _delta(delta: ToolCallDelta) -> engine_pb2.ToolCallDelta:
    return engine_pb2.ToolCallDelta(
        index=delta.index, id=delta.id, name=delta.name, arguments_json=delta.arguments_json
    )


def _logprob(model: Model, reported: SampledLogprob) -> engine_pb2.TokenLogprob:
    def alternative(token: int, logprob: float) -> engine_pb2.Alternative:
        return engine_pb2.Alternative(token=token, logprob=logprob, piece=model.piece(token))

    return engine_pb2.TokenLogprob(
        sampled=alternative(reported.token, reported.logprob),
        margin=reported.margin,
        entropy=reported.entropy,
        likeliest=[alternative(*each) for each in reported.likeliest],
        is_forced=reported.is_forced,
    )


def to_rpc_status(error: errors.GatewayError) -> status_pb2.Status:
    """Return the gRPC status of an error, with ErrorInfo, and with RetryInfo if a delay is known."""
    metadata = {"field": error.field} if isinstance(error, errors.NotCapable) else {}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata)
    details: list[message.Message] = [info]
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = [any_pb2.Any() for _ in details]
    for target, detail in zip(packed, details, strict=True):
        target.Pack(detail)
    code: int = grpc.StatusCode[error.code].value[0]
    return status_pb2.Status(code=code, message=str(error), details=packed)


def make_private(socket: Path) -> None:
    """Prepare the folder of a socket so that only this user can open it; raises StartupError."""
    os.umask(0o077)
    socket.parent.mkdir(mode=0o700, exist_ok=True)
    found = socket.parent.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StartupError(
            f"{socket.parent}: other users can open this folder; run chmod 700 on it or choose another"
        )
    socket.unlink(missing_ok=True)


async def serve(
    service: EngineService, *, socket: Path, ready: Callable[[], None], stop: asyncio.Event, grace_s: float
) -> None:
    """Serve on a socket prepared by `make_private` until `stop` is set; raises StartupError.

    `ready` is called when the server accepts calls.
    """
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), FRESH_TIMEOUTS])
    engine_pb2_grpc.add_EngineServiceServicer_to_server(service, server)
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    for name in ("", "gateway.engine.v1.EngineService"):
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        server.add_insecure_port(f"unix:{socket}")
    except RuntimeError:
        raise StartupError(
            f"{socket}: cannot listen on this socket; its path may be too long, set TMPDIR to a shorter one"
        ) from None
    await server.start()
    ready()
    await stop.wait()
    await health.enter_graceful_shutdown()
    await server.stop(grace_s)
