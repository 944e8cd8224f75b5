"""The gRPC service of an engine that embeds; it refuses to generate."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import grpc
import grpc.aio

from gateway.clock import Clock, Deadline
from gateway.domain.model_facts import ModelFacts
from gateway.engine.embedding.runner import Embedder, EmbeddingOutput, EmbeddingRequest, EmbeddingRunner
from gateway.engine.rpc import deadline_of, told_errors
from gateway.engine.status import histogram
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.errors import BackendInvalid, NotCapable

HEARTBEAT_S = 2.0
"""After so long without vectors, a request that waits gets an empty response as a sign of life."""
NO_CHAT = "is an embedding model: it generates no text"


class Tokenizing(Embedder, Protocol):
    """A model as the service uses it."""

    dimensions: int
    """Of its vectors."""
    facts: ModelFacts

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text; for any thread."""
        ...


class EmbeddingService(engine_pb2_grpc.EngineServiceServicer):
    """gateway.engine.v1.EngineService for one loaded embedding model."""

    def __init__(
        self,
        *,
        name: str,
        model: Tokenizing,
        runner: EmbeddingRunner,
        clock: Clock,
        report: Callable[[str], None],
    ) -> None:
        self._name = name
        self._model = model
        self._runner = runner
        self._clock = clock
        self._report = report
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tokenize")

    async def Embed(  # noqa: N802  the name is the proto's
        self,
        request: engine_pb2.EmbedRequest,
        context: grpc.aio.ServicerContext[engine_pb2.EmbedRequest, engine_pb2.EmbedResponse],
    ) -> AsyncIterator[engine_pb2.EmbedResponse]:
        """Return a vector for each text; the last response holds the number of tokens."""
        deadline = deadline_of(context, self._clock)
        async with told_errors(context, model=self._name, report=self._report):
            loop = asyncio.get_running_loop()
            prepared = await loop.run_in_executor(self._pool, self._prepare, request, deadline)
            left = len(prepared.inputs)
            async for vectors in self._run(prepared):
                left -= len(vectors)
                tokens = 0 if left else sum(map(len, prepared.inputs))
                yield engine_pb2.EmbedResponse(vectors=vectors, prompt_tokens=tokens)

    def _prepare(self, request: engine_pb2.EmbedRequest, deadline: Deadline) -> EmbeddingRequest:
        dimensions = request.dimensions if request.HasField("dimensions") else None
        if not request.texts:
            raise BackendInvalid(self._name, "texts are required")
        if dimensions is not None and not 1 <= dimensions <= self._model.dimensions:
            detail = f"dimensions: must be from 1 to {self._model.dimensions}, those of the model"
            raise BackendInvalid(self._name, detail)
        inputs = tuple(map(self._model.tokenize, request.texts))
        if empty := [str(number) for number, tokens in enumerate(inputs, 1) if not tokens]:
            raise BackendInvalid(self._name, f"texts without a token have no vector: {', '.join(empty)}")
        return EmbeddingRequest(inputs=inputs, dimensions=dimensions, deadline=deadline)

    async def _run(self, request: EmbeddingRequest) -> AsyncIterator[tuple[bytes, ...]]:
        outputs: asyncio.Queue[EmbeddingOutput] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def deliver(output: EmbeddingOutput) -> None:
            loop.call_soon_threadsafe(outputs.put_nowait, output)

        cancel = self._runner.submit(request, deliver)
        left = len(request.inputs)
        try:
            while left:
                output = await self._next(outputs)
                if output.failure is not None:
                    raise output.failure
                left -= len(output.vectors)
                yield output.vectors
        finally:
            if left:
                cancel()

    async def _next(self, outputs: asyncio.Queue[EmbeddingOutput]) -> EmbeddingOutput:
        """Return the next output, or an empty one after `HEARTBEAT_S` if the runner made progress."""
        while True:
            before = self._runner.iterations
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    return await outputs.get()
            except TimeoutError:
                if self._runner.iterations != before:
                    return EmbeddingOutput()

    async def Generate(  # noqa: N802  the name is the proto's
        self,
        request: engine_pb2.GenerateRequest,
        context: grpc.aio.ServicerContext[engine_pb2.GenerateRequest, engine_pb2.GenerateResponse],
    ) -> AsyncIterator[engine_pb2.GenerateResponse]:
        """Refuse: an embedding model does not chat."""
        async with told_errors(context, model=self._name, report=self._report):
            raise NotCapable(self._name, NO_CHAT, field="messages")
        yield engine_pb2.GenerateResponse()  # Never: it makes this a generator.

    async def CountTokens(  # noqa: N802  the name is the proto's
        self,
        request: engine_pb2.CountTokensRequest,
        context: grpc.aio.ServicerContext[engine_pb2.CountTokensRequest, engine_pb2.CountTokensResponse],
    ) -> engine_pb2.CountTokensResponse:
        """Refuse: it counts no prompts of chats."""
        async with told_errors(context, model=self._name, report=self._report):
            raise NotCapable(self._name, NO_CHAT, field="messages")
        raise AssertionError("told_errors ends the call")

    async def GetStatus(  # noqa: N802  the name is the proto's
        self,
        request: engine_pb2.GetStatusRequest,
        context: grpc.aio.ServicerContext[engine_pb2.GetStatusRequest, engine_pb2.GetStatusResponse],
    ) -> engine_pb2.GetStatusResponse:
        """Return what is loaded and how busy the engine is."""
        runner, load, metrics = self._runner, self._runner.load, self._runner.metrics
        token_s = runner.token_s
        return engine_pb2.GetStatusResponse(
            model=self._name,
            context_tokens=self._model.context_tokens,
            slots=self._model.slots,
            threads=self._model.facts.threads,
            slots_busy=load.slots_busy,
            queued=load.queued,
            steps=metrics.steps,
            step_s=metrics.step_s,
            decode_s=metrics.decode_s,
            prompt_tokens=metrics.prompt_tokens,
            requests=dict(metrics.requests),
            queue_s=histogram(metrics.queue_s),
            batch_sequences=histogram(metrics.batch_sequences),
            prompt_tokens_per_s=1.0 / token_s if token_s else 0.0,
        )
