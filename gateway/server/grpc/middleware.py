"""The border of the gateway: tenant, request id, deadline, one log line, and errors as statuses.

Handlers are wrapped once, when they are registered; an aio interceptor would build its wrapper again
for every call.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from gateway.clock import Clock, Deadline
from gateway.defects import log_defect
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.decision import Reason
from gateway.domain.grpc_timeout import least_sent_s
from gateway.errors import DeadlinePassed, GatewayError, InvalidRequest
from gateway.pipeline.active_policy import ActivePolicy
from gateway.pipeline.context import CallContext, CallSummary
from gateway.pipeline.run import Pipeline
from gateway.server.grpc.api_keys import DEFAULT_TENANT, Context, TenantRule
from gateway.server.grpc.error_status import AbortStatus, pushback_ms, status_of
from gateway.server.grpc.wire import parse_request_id
from gateway.server.validation.languages import parse_languages
from gateway.telemetry.logs import call_fields
from gateway.telemetry.report import CallReport, Observer
from gateway.telemetry.traces import NO_SPAN, Tracer

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")

UnaryHandler = Callable[[_Request, CallContext, Pipeline], Awaitable[_Response]]
StreamingHandler = Callable[[_Request, CallContext, Pipeline], AsyncGenerator[_Response, None]]

TELL_S = 1.0
"""How long a caller may take to read that its call has failed."""
_log = structlog.get_logger()


@dataclass(slots=True)
class _OpenCall:
    """What this file has learned of a call that is being served; nobody else sees it."""

    attempt_log: AttemptLog
    tenant: str = DEFAULT_TENANT
    request_id: str = ""
    reader_s: float = 0.0
    """How long a stream waited for its reader."""
    summary: CallSummary = field(default_factory=CallSummary)

    def conclude(self, summary: CallSummary) -> None:
        """Take what the pipeline says at the end."""
        self.summary = summary


class RpcMiddleware:
    """Wraps handlers, tells observers of every call that is over, and counts those in flight."""

    def __init__(
        self,
        active: ActivePolicy,
        *,
        clock: Clock,
        tenant_of: TenantRule,
        observers: Sequence[Observer] = (),
        tracer: Tracer = NO_SPAN,
    ) -> None:
        self._active = active
        self._tracer = tracer
        self._clock = clock
        self._tenant_of = tenant_of
        self._observers = tuple(observers)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_idle(self) -> None:
        """Return when no call is in flight."""
        await self._idle.wait()

    def unary(
        self, method: str, request: type[_Request], handler: UnaryHandler[_Request, _Response]
    ) -> Callable[[bytes, Context], Awaitable[_Response]]:
        """Wrap a handler that gives one response."""

        async def serve(data: bytes, rpc: Context) -> _Response:
            async with self._call(method, rpc) as call, self._begun(call, request, data, rpc) as begun:
                return await handler(*begun)

        return serve

    def streaming(
        self, method: str, request: type[_Request], handler: StreamingHandler[_Request, _Response]
    ) -> Callable[[bytes, Context], Awaitable[None]]:
        """Wrap a handler that gives a stream; the stream is closed when the caller goes away.

        A caller who does not read is waited for until its deadline and no longer.
        """

        async def serve(data: bytes, rpc: Context) -> None:
            async with self._call(method, rpc) as call, self._begun(call, request, data, rpc) as begun:
                _, context, _ = begun
                async with aclosing(handler(*begun)) as responses:
                    async for response in responses:
                        with self._reading(call):
                            await self._send(response, rpc, context.deadline)

        return serve

    @contextmanager
    def _reading(self, call: _OpenCall) -> Iterator[None]:
        began_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            call.reader_s += self._clock.monotonic_s() - began_s

    async def _send(self, response: object, rpc: Context, deadline: Deadline) -> None:
        try:
            async with asyncio.timeout(deadline.remaining_s(self._clock)) as limit:
                await rpc.write(response)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed before the answer was read") from None
        except grpc.aio.InternalError:
            # gRPC's core could not send: the connection is gone, and the call's cancellation is on its way.
            raise asyncio.CancelledError from None

    @asynccontextmanager
    async def _begun(
        self, call: _OpenCall, request: type[_Request], data: bytes, rpc: Context
    ) -> AsyncIterator[tuple[_Request, CallContext, Pipeline]]:
        """Say who calls, decode what they ask, and give the call its pipeline; raises GatewayError.

        A stranger's bytes are not decoded: a megabyte of empty messages takes the event loop 20 ms.
        """
        due = self._due(rpc)
        with self._active.begin() as pipeline:
            call.tenant = self._tenant_of(rpc)
            decoded = _decoded(request, data)
            call.request_id = parse_request_id(decoded, new_id=call.request_id)
            context = CallContext(
                tenant=call.tenant,
                request_id=call.request_id,
                deadline=pipeline.deadline(due),
                attempt_log=call.attempt_log,
                conclude=call.conclude,
                languages=_languages(rpc),
            )
            yield decoded, context, pipeline

    @asynccontextmanager
    async def _call(self, method: str, rpc: Context) -> AsyncIterator[_OpenCall]:
        """Turn errors into statuses, and report the call when it is over."""
        span = self._tracer.call(method, rpc.invocation_metadata() or ())
        call = _OpenCall(AttemptLog(self._clock, span), request_id=uuid.uuid4().hex)
        code, reason = "OK", None
        self._in_flight += 1
        self._idle.clear()
        try:
            yield call
            if (afterwards := call.summary.afterwards) is not None:
                done: Any = lambda _: afterwards()  # noqa: E731  Typed for a stub that wants a class.
                rpc.add_done_callback(done)
        except GatewayError as error:
            code, reason = error.code, error.reason
            await _abort(rpc, call.request_id, error)
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except Exception as error:  # noqa: BLE001  The outermost border: a defect becomes a status, not UNKNOWN.
            code, reason = "INTERNAL", Reason.INTERNAL
            log_defect(error, request_id=call.request_id)
            defect = GatewayError("a defect of the gateway; its log has the request id")
            await _abort(rpc, call.request_id, defect)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            self._report(method, call, code, reason)

    def _due(self, rpc: Context) -> Deadline | None:
        remaining_s = rpc.time_remaining()
        return None if remaining_s is None else Deadline.after(least_sent_s(remaining_s), self._clock)

    def _report(self, method: str, call: _OpenCall, code: str, reason: Reason | None) -> None:
        summary, log = call.summary, call.attempt_log
        if reason is None and summary.answer is not None and summary.answer.degraded is not None:
            reason = summary.answer.degraded.reason
        report = CallReport(
            method=method,
            request_id=call.request_id,
            tenant=call.tenant,
            code=code,
            reason=reason,
            policy=summary.policy,
            decision=summary.decision,
            shadow=summary.shadow,
            answer=summary.answer,
            attempts=log.attempts,
            ended_unix_s=self._clock.unix_s(),
            duration_s=log.elapsed_s,
            decision_s=summary.decision_s,
            first_text_s=summary.first_text_s,
            waited_s=call.reader_s + log.paused_s,
        )
        _log.info("request", **call_fields(report))
        log.span.end(report)
        for observer in self._observers:
            observer(report)

    @property
    def in_flight(self) -> int:
        """How many calls are not over."""
        return self._in_flight


def _languages(rpc: Context) -> tuple[str, ...]:
    for key, value in rpc.invocation_metadata() or ():
        if key == "accept-language" and isinstance(value, str):
            return parse_languages(value)
    return ()


def _decoded(request: type[_Request], data: bytes) -> _Request:
    message = request()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InvalidRequest(
            "request", "these bytes do not decode: wrong message, or text that is not UTF-8"
        ) from None
    return message


async def _abort(rpc: Context, request_id: str, error: GatewayError) -> None:
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
