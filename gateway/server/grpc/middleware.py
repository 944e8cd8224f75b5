"""Between gRPC and a handler: the caller, the request id and the deadline going in, errors as statuses out.

Handlers are wrapped once, when they are registered; an aio interceptor would build its wrapper again
for every call.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from gateway.clock import Clock, Deadline, WaitLimit
from gateway.domain.grpc_timeout import least_sent_s
from gateway.errors import DeadlinePassed, GatewayError, InvalidRequest
from gateway.pipeline.context import CallContext
from gateway.pipeline.run import Pipeline
from gateway.server.calls import Calls, OpenCall
from gateway.server.grpc.caller import Context, caller_of
from gateway.server.grpc.decode import decoded, own_request_id, parse_request_id
from gateway.server.grpc.error_status import AbortStatus, pushback_ms, status_of
from gateway.telemetry.report import Operation

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")

UnaryHandler = Callable[[_Request, CallContext, Pipeline], Awaitable[_Response]]
StreamingHandler = Callable[[_Request, CallContext, Pipeline], AsyncGenerator[_Response, None]]

SERVICE = "gateway.v1.GatewayService"
TELL_S = 1.0
"""How long a caller may take to read that its call has failed."""


class RpcMiddleware:
    """Wraps handlers of gRPC; its calls are among those of `calls`."""

    def __init__(self, calls: Calls, *, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock

    def unary(
        self, method: str, request: type[_Request], handler: UnaryHandler[_Request, _Response]
    ) -> Callable[[bytes, Context], Awaitable[_Response]]:
        """Wrap a handler that gives one response."""
        operation = _operation(method)

        async def serve(data: bytes, rpc: Context) -> _Response:
            async with self._begun(operation, request, data, rpc) as (_, message, context, pipeline):
                return await handler(message, context, pipeline)

        return serve

    def streaming(
        self, method: str, request: type[_Request], handler: StreamingHandler[_Request, _Response]
    ) -> Callable[[bytes, Context], Awaitable[None]]:
        """Wrap a handler that gives a stream; the stream is closed when the caller goes away.

        A caller who does not read is waited for until its deadline and no longer.
        """
        operation = _operation(method)

        async def serve(data: bytes, rpc: Context) -> None:
            async with (
                self._begun(operation, request, data, rpc) as (call, message, context, pipeline),
                aclosing(handler(message, context, pipeline)) as responses,
            ):
                with closing(WaitLimit()) as limit:
                    async for response in responses:
                        with call.reading(self._clock):
                            await _send(response, rpc, limit, context.deadline.remaining_s(self._clock))

        return serve

    @asynccontextmanager
    async def _begun(
        self, operation: Operation, request: type[_Request], data: bytes, rpc: Context
    ) -> AsyncIterator[tuple[OpenCall, _Request, CallContext, Pipeline]]:
        """Open and begin a call; what it leaves for afterwards is done when gRPC has sent its status.

        A stranger's bytes are not decoded: a megabyte of empty messages takes the event loop 20 ms.
        """
        async with self._calls.open(operation, caller_of(rpc), fail=partial(_abort, rpc)) as call:
            due = self._due(rpc)
            await call.authenticate(due=due, own_id=partial(own_request_id, request, data))
            try:
                message = decoded(request, data)
            except InvalidRequest:
                call.count_unread()
                raise
            request_id = parse_request_id(message, new_id=call.request_id)
            with call.begin(request_id=request_id) as (context, pipeline):
                yield call, message, context, pipeline
            if (afterwards := call.summary.afterwards) is not None:
                done: Any = lambda _: afterwards()  # noqa: E731  Typed for a stub that wants a class.
                rpc.add_done_callback(done)

    def _due(self, rpc: Context) -> Deadline | None:
        remaining_s = rpc.time_remaining()
        return None if remaining_s is None else Deadline.after(least_sent_s(remaining_s), self._clock)


def _operation(method: str) -> Operation:
    name = f"{SERVICE}/{method}"
    attributes = {"rpc.system.name": "grpc", "rpc.method": name}
    return Operation(transport="grpc", method=method, span_name=name, span_attributes=attributes)


async def _send(response: object, rpc: Context, limit: WaitLimit, left_s: float) -> None:
    try:
        with limit.within(left_s):
            await rpc.write(response)
    except TimeoutError:
        if not limit.has_expired:
            raise
        raise DeadlinePassed("the deadline passed before the answer was read") from None
    except grpc.aio.InternalError:
        # gRPC's core could not send: the connection is gone, and the call's cancellation is on its way.
        raise asyncio.CancelledError from None


async def _abort(rpc: Context, error: GatewayError, request_id: str) -> None:
    status = status_of(error, request_id=request_id, attempts=error.attempts)
    try:
        async with asyncio.timeout(TELL_S) as limit:
            await rpc.abort_with_status(AbortStatus(status, pushback=pushback_ms(error)))
    except TimeoutError:
        if not limit.expired():
            raise
        # Whoever does not read its answer will not read this either; it is on its way, and we go on.
        raise asyncio.CancelledError from None
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None  # The connection is gone: nobody is told.
