"""A local model as a backend: the engine process of its supervisor, over a unix socket."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol, TypeAlias

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from gateway import errors
from gateway.backends.base import Call, QueueForecast
from gateway.backends.engine_messages import (
    has_output,
    to_chunk,
    to_embed_request,
    to_forecast,
    to_messages,
    to_request,
    to_tools,
    to_vectors,
)
from gateway.clock import Clock, Deadline
from gateway.domain.answer import Chunk, Reply
from gateway.domain.assembly import Assembly
from gateway.domain.capability import Capability
from gateway.domain.decision import Reason
from gateway.domain.request import Request
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.tasks import Tasks

Generating: TypeAlias = "grpc.aio.UnaryStreamCall[engine_pb2.GenerateRequest, engine_pb2.GenerateResponse]"
Embedding: TypeAlias = "grpc.aio.UnaryStreamCall[engine_pb2.EmbedRequest, engine_pb2.EmbedResponse]"
_STATUS_KEY = "grpc-status-details-bin"

_ERRORS: dict[str, type[errors.BackendError]] = {
    Reason.CONTEXT_LENGTH_EXCEEDED: errors.ContextTooLong,
    Reason.CAPABILITY: errors.NotCapable,
    Reason.QUEUE_FULL: errors.EngineQueueFull,
    Reason.ENGINE_DOWN: errors.EngineDown,
    Reason.DEADLINE: errors.BackendSilent,
    Reason.INVALID_REQUEST: errors.BackendInvalid,
    Reason.INTERNAL: errors.EngineFault,
}
"""What the engine says in ErrorInfo, as an error of ours."""
_CODES: dict[grpc.StatusCode, type[errors.BackendError]] = {
    grpc.StatusCode.UNAVAILABLE: errors.EngineDied,
    grpc.StatusCode.CANCELLED: errors.EngineDied,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.BackendSilent,
}
"""What gRPC itself says on a connection that stood when the call began."""
FRESH_S = 0.1
"""A forecast that is older is asked for anew, while the old one still serves."""
STALE_S = 1.0
"""One that is older than this says nothing any more."""
STATUS_TIMEOUT_S = 1.0


class Engine(Protocol):
    """What is needed of an engine's supervisor."""

    @property
    def is_serving(self) -> bool:
        """Whether an engine takes requests."""
        ...

    @property
    def generation(self) -> int:
        """How often an engine was started."""
        ...

    @property
    def target(self) -> str:
        """The engine's address for gRPC."""
        ...

    @property
    def lacking(self) -> frozenset[Capability]:
        """What the model that it loaded last cannot do."""
        ...


class LocalBackend:
    """A model in an engine process; fits `backends.base.Backend`."""

    def __init__(self, name: str, supervisor: Engine, *, clock: Clock) -> None:
        self.name = name
        self._supervisor = supervisor
        self._clock = clock
        self._channel: grpc.aio.Channel | None = None
        self._generation = 0
        self._forecast: QueueForecast | None = None
        self._forecast_at_s = -math.inf
        self._tasks = Tasks()
        self._calls = 0

    @property
    def is_idle(self) -> bool:
        """Whether this process has no call at the engine; what others have there, the engine knows."""
        return self._calls == 0

    @property
    def lacking(self) -> frozenset[Capability]:
        """What the model in the engine cannot do."""
        return self._supervisor.lacking

    async def generate(self, call: Call) -> Reply:
        """Return the whole answer; EngineDown when there is no engine, EngineDied when it goes meanwhile."""
        answer = Assembly()
        async for chunk in self._pieces(call, is_whole=True):
            answer.add(chunk)
        if not answer.is_whole:
            raise errors.StreamTruncated(self.name, "the engine ended its answer without a finish")
        return answer.reply()

    def stream(self, call: Call) -> AsyncIterator[Chunk]:
        """Yield the answer in pieces; closing the iterator frees the engine's slot."""
        return self._pieces(call, is_whole=False)

    async def _pieces(self, call: Call, *, is_whole: bool) -> AsyncIterator[Chunk]:
        self._calls += 1
        try:
            stub = engine_pb2_grpc.EngineServiceStub(await self._connect(call.deadline))
            timeout_s = _timeout_s(call.deadline, self._clock)
            rpc: Generating | Embedding
            if call.request.embedding is None:
                generate = to_request(call, model=self.name, is_whole=is_whole)
                rpc = generating = stub.Generate(generate, timeout=timeout_s)
                chunks = _answer(generating, is_asked=call.request.config.top_logprobs is not None)
            else:
                rpc = embedding = stub.Embed(to_embed_request(call), timeout=timeout_s)
                chunks = (to_vectors(response) async for response in embedding)
            try:
                async with aclosing(chunks):
                    async for chunk in chunks:
                        yield chunk
            except grpc.aio.AioRpcError as error:
                raise translate(self.name, error) from error
            finally:
                rpc.cancel()
        finally:
            self._calls -= 1

    async def count_tokens(self, request: Request, deadline: Deadline) -> int:
        """Return how many tokens the prompt has, by the engine; raises BackendError."""
        stub = engine_pb2_grpc.EngineServiceStub(await self._connect(deadline))
        counted = engine_pb2.CountTokensRequest(
            messages=to_messages(request, model=self.name), tools=to_tools(request.config)
        )
        try:
            answer = await stub.CountTokens(counted, timeout=_timeout_s(deadline, self._clock))
        except grpc.aio.AioRpcError as error:
            raise translate(self.name, error) from error
        return answer.prompt_tokens

    async def status(self, timeout_s: float) -> engine_pb2.GetStatusResponse:
        """Return what the engine says of itself; raises BackendError."""
        if not self._supervisor.is_serving:
            raise errors.EngineDown(self.name, "its engine is not running; it is being started again")
        stub = engine_pb2_grpc.EngineServiceStub(await self._current_channel())
        try:
            return await stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise translate(self.name, error) from error

    async def has_work(self, *, own: int) -> bool:
        """Say whether the engine works on more than `own` requests, or one waits; raises BackendError.

        The only slot of an engine is always wanted: a caller that finds it taken may be refused immediately,
        by the time that what is in it would still take.
        """
        status = await self.status(STATUS_TIMEOUT_S)
        return status.slots_busy > own or status.queued > 0 or status.slots == 1

    def forecast(self) -> QueueForecast | None:
        """Return what the engine said of its queue within the last second; None: nothing lately."""
        is_fresh = self._forecast_age_s <= STALE_S
        return self._forecast if is_fresh and self._supervisor.is_serving else None

    def refresh_forecast(self) -> None:
        """Ask the engine again if its word is old; done for each request, so that it never is for long."""
        if self._forecast_age_s > FRESH_S and self._tasks.is_idle and self._supervisor.is_serving:
            self._tasks.start(f"status of engine {self.name}", self._ask())

    @property
    def _forecast_age_s(self) -> float:
        return self._clock.monotonic_s() - self._forecast_at_s

    async def _ask(self) -> None:
        try:
            self._forecast = to_forecast(await self.status(STATUS_TIMEOUT_S))
        except errors.BackendError:
            # Whoever sends it a request learns why; meanwhile its past has to do.
            self._forecast = None
        finally:
            self._forecast_at_s = self._clock.monotonic_s()

    async def aclose(self) -> None:
        """Close the connection; the engine itself belongs to its supervisor."""
        await self._tasks.aclose()
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def _connect(self, deadline: Deadline) -> grpc.aio.Channel:
        """Return a channel that is connected, so that a later failure means that the request was inside."""
        if not self._supervisor.is_serving:
            raise errors.EngineDown(self.name, "its engine is not running; it is being started again")
        channel = await self._current_channel()
        state = channel.get_state(try_to_connect=True)
        try:
            async with asyncio.timeout(_timeout_s(deadline, self._clock)):
                while state is not grpc.ChannelConnectivity.READY:
                    if state in (
                        grpc.ChannelConnectivity.TRANSIENT_FAILURE,
                        grpc.ChannelConnectivity.SHUTDOWN,
                    ):
                        raise errors.EngineDown(self.name, "its engine does not accept connections")
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
        except TimeoutError:
            raise errors.EngineDown(self.name, "its engine did not accept a connection in time") from None
        return channel

    async def _current_channel(self) -> grpc.aio.Channel:
        """Return the channel to the engine that runs now: an old one would sit out its reconnect delay."""
        if self._channel is None or self._generation != self._supervisor.generation:
            old, self._generation = self._channel, self._supervisor.generation
            self._channel = grpc.aio.insecure_channel(
                self._supervisor.target,
                options=[
                    ("grpc.use_local_subchannel_pool", 1),
                    ("grpc.enable_http_proxy", 0),
                    ("grpc.max_receive_message_length", -1),
                    ("grpc.max_send_message_length", -1),
                ],
            )
            if old is not None:
                await old.close()
        return self._channel


async def _answer(rpc: Generating, *, is_asked: bool) -> AsyncGenerator[Chunk, None]:
    """Yield the answer of an engine, with log probabilities if they are asked for."""
    reported, untold = 0, list[engine_pb2.TokenLogprob]()
    async for response in rpc:
        reported += response.tokens
        if is_asked:
            untold += response.logprobs
        # A token without text of its own, such as half a character, is told with the next text.
        told = untold if has_output(response) else []
        yield to_chunk(response, reported=reported, logprobs=told)
        if told:
            untold = []


def _rich_status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the engine's own status; empty when the call ended without one.

    `rpc_status.from_call` raises where gRPC's message differs, as it does when both ends see the deadline.
    """
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def translate(name: str, error: grpc.aio.AioRpcError) -> errors.BackendError:
    """Return the gateway's error for a failed call: by the engine's ErrorInfo, else by gRPC's code."""
    status = _rich_status(error)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    if info.reason in _ERRORS:
        message = status.message.removeprefix(f"{name}: ")
        if info.reason == Reason.CAPABILITY and info.metadata["field"]:
            return errors.NotCapable(name, message, field=info.metadata["field"])
        return _ERRORS[info.reason](name, message, retry_after_s=_seconds(retry))
    code = error.code()
    kind = _CODES.get(code, errors.BackendFailed)
    return kind(name, f"the call to its engine ended with {code.name}")


def _seconds(retry: error_details_pb2.RetryInfo) -> float | None:
    return retry.retry_delay.ToNanoseconds() / 1e9 if retry.HasField("retry_delay") else None


def _timeout_s(deadline: Deadline, clock: Clock) -> float | None:
    remaining_s = deadline.remaining_s(clock)
    return None if math.isinf(remaining_s) else remaining_s
