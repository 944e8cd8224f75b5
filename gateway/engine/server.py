"""The engine's gRPC service on its unix socket.

The event loop serves calls, a small pool renders and tokenizes, and one thread owns the model.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby

import grpc
import grpc.aio
from google.protobuf import message

from gateway.clock import Clock, Deadline
from gateway.domain.answer import FinishReason, ToolCallDelta
from gateway.engine.interfaces import EngineRequest, Model, SampledLogprob
from gateway.engine.output_router import OutputRouter, next_or_heartbeat
from gateway.engine.prompt import PromptMaker
from gateway.engine.requests import engine_request_of, prompt_length
from gateway.engine.rpc import deadline_of, told_errors
from gateway.engine.scheduler import Scheduler
from gateway.engine.sequence import StepOutput
from gateway.engine.status import status_of
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.errors import NotCapable

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
        deadline = deadline_of(context, self._clock)
        async with told_errors(context, model=self._name, report=self._report):
            prepared = await self._prepare(request, deadline)
            async for outputs in self._run(prepared):
                yield response_of(self._model, outputs)

    async def Embed(  # noqa: N802  the name is the proto's
        self,
        request: engine_pb2.EmbedRequest,
        context: grpc.aio.ServicerContext[engine_pb2.EmbedRequest, engine_pb2.EmbedResponse],
    ) -> AsyncIterator[engine_pb2.EmbedResponse]:
        """Refuse: a model that generates has no vectors to give."""
        async with told_errors(context, model=self._name, report=self._report):
            raise NotCapable(self._name, "generates text: it gives no embeddings", field="input")
        yield engine_pb2.EmbedResponse()  # Never: it makes this a generator.

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
        async with told_errors(context, model=self._name, report=self._report):
            count = partial(prompt_length, request, name=self._name, prompts=self._prompts)
            tokens = await asyncio.get_running_loop().run_in_executor(self._pool_for(request), count)
        return engine_pb2.CountTokensResponse(prompt_tokens=tokens)

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

    async def _run(self, request: EngineRequest) -> AsyncIterator[list[StepOutput]]:
        """Yield the outputs of a request as they come, several together where they came together."""
        ticket = self._scheduler.submit(request)
        queue = self._router.open(ticket)
        is_over = False
        try:
            while not is_over:
                outputs = await next_or_heartbeat(queue, iterations=lambda: self._scheduler.iterations)
                last = outputs[-1] if outputs else None
                is_over = last is not None and last.is_last
                if last is not None and last.failure is not None:
                    if len(outputs) > 1:
                        yield outputs[:-1]
                    raise last.failure
                yield outputs
        finally:
            self._router.close(ticket)
            if not is_over:
                self._scheduler.cancel(ticket)


def response_of(model: Model, outputs: list[StepOutput]) -> engine_pb2.GenerateResponse:
    """Return what is said of outputs that come together; `model` has the bytes of their tokens."""
    pieces = [piece for output in outputs for piece in output.pieces]
    response = engine_pb2.GenerateResponse(
        text="".join(piece.text for piece in pieces),
        reasoning="".join(piece.reasoning for piece in pieces),
        tool_calls=_deltas(each for piece in pieces for each in piece.tool_calls),
        logprobs=[_logprob(model, each) for output in outputs for each in output.logprobs],
        tokens=sum(output.tokens for output in outputs),
    )
    last = outputs[-1] if outputs else None
    if last is not None and last.usage is not None:
        response.prompt_tokens = last.usage.prompt_tokens
        if last.finish_reason is not None:
            response.finished.reason = _FINISH_REASONS[last.finish_reason]
            response.finished.prompt_tokens = last.usage.prompt_tokens
            response.finished.completion_tokens = last.usage.completion_tokens
            response.finished.reused_tokens = last.reused_tokens
            response.finished.stop_sequence = last.stop_sequence
            response.finished.reasoning_tokens = last.usage.reasoning_tokens
    return response


def _deltas(deltas: Iterable[ToolCallDelta]) -> list[engine_pb2.ToolCallDelta]:
    """Return the pieces of calls that came together, one for each call."""
    joined = []
    for index, group in groupby(deltas, key=lambda delta: delta.index):
        first, *rest = group
        arguments = "".join(each.arguments_json for each in (first, *rest))
        joined.append(
            engine_pb2.ToolCallDelta(index=index, id=first.id, name=first.name, arguments_json=arguments)
        )
    return joined


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
