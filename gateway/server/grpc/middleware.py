"""The border of the gateway: tenant, request id, deadline, one log line, and errors as statuses.

Handlers are wrapped once, when they are registered; an aio interceptor would build its wrapper again
for every call.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from gateway.clock import Clock, Deadline
from gateway.defects import log_defect
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.grpc_timeout import least_sent_s
from gateway.errors import DeadlinePassed, GatewayError, InvalidRequest
from gateway.policy.model import Policy
from gateway.server.grpc.api_keys import DEFAULT_TENANT, Context, TenantRule
from gateway.server.grpc.error_status import AbortStatus, pushback_ms, status_of
from gateway.server.grpc.wire import parse_languages
from gateway.telemetry.logs import call_fields
from gateway.telemetry.report import CallReport, Observer
from gateway.telemetry.traces import NO_SPAN, Tracer
from gateway.types import Answer, Attempt, Decision, Delta, Reason, ShadowDecision, StreamEvent

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")

TELL_S = 1.0
"""How long a caller may take to read that its call has failed."""
_log = structlog.get_logger()


@dataclass(slots=True)
class CallScope:
    """What is known of the call that is being served, and what its log line will say."""

    tenant: str
    request_id: str
    due: Deadline | None
    """When the caller gives up, at the earliest; None when it set no deadline."""
    trail: AttemptLog
    """The tries at models, from the moment that the call came."""
    deadline: Deadline = field(default_factory=Deadline.never)
    """Of the call, once its policy has bounded it."""
    languages: tuple[str, ...] = ()
    """What the caller reads, the dearest first."""
    policy: Policy | None = None
    decision: Decision | None = None
    shadow: ShadowDecision | None = None
    decision_s: float | None = None
    """What scoring and deciding took."""
    first_text_s: float | None = None
    """When the first text of a stream was ready to be sent, from the moment that the call came."""
    reader_s: float = 0.0
    """How long a stream waited for its reader."""
    answer: Answer | None = None
    afterwards: Callable[[], None] | None = None
    """What is done once the caller has its answer."""

    def note(self, event: StreamEvent) -> None:
        """Take down what an event of the answer says of the call."""
        if isinstance(event, Answer):
            self.answer = event
        elif isinstance(event, Delta) and self.first_text_s is None:
            self.first_text_s = self.trail.elapsed_s


def tolerant(message_type: type[_Request]) -> Callable[[bytes], _Request | None]:
    """Return a deserializer that gives None for bytes that do not decode, so that the handler can say so."""

    def deserialize(data: bytes) -> _Request | None:
        message = message_type()
        try:
            message.ParseFromString(data)
        except DecodeError:
            return None
        return message

    return deserialize


class RpcMiddleware:
    """Wraps handlers, tells observers of every call that is over, and counts those in flight."""

    def __init__(
        self,
        *,
        clock: Clock,
        tenant_of: TenantRule,
        observers: Sequence[Observer] = (),
        tracer: Tracer = NO_SPAN,
    ) -> None:
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
        self, method: str, handler: Callable[[_Request, CallScope], Awaitable[_Response]]
    ) -> Callable[[_Request | None, Context], Awaitable[_Response]]:
        """Wrap a handler that gives one response."""

        async def serve(message: _Request | None, context: Context) -> _Response:
            async with self._call(method, context) as scope:
                return await handler(_decoded(message), scope)

        return serve

    def streaming(
        self, method: str, handler: Callable[[_Request, CallScope], AsyncGenerator[_Response, None]]
    ) -> Callable[[_Request | None, Context], Awaitable[None]]:
        """Wrap a handler that gives a stream; the stream is closed when the caller goes away.

        A caller who does not read is waited for until its deadline and no longer.
        """

        async def serve(message: _Request | None, context: Context) -> None:
            async with (
                self._call(method, context) as scope,
                aclosing(handler(_decoded(message), scope)) as responses,
            ):
                async for response in responses:
                    await self._send(response, scope, context)

        return serve

    async def _send(self, response: object, scope: CallScope, context: Context) -> None:
        began_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(scope.deadline.remaining_s(self._clock)) as limit:
                await context.write(response)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed before the answer was read") from None
        except grpc.aio.InternalError:
            # gRPC's core could not send: the connection is gone, and the call's cancellation is on its way.
            raise asyncio.CancelledError from None
        finally:
            scope.reader_s += self._clock.monotonic_s() - began_s

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncIterator[CallScope]:
        span = self._tracer.call(method, context.invocation_metadata() or ())
        trail = AttemptLog(self._clock, span)
        scope = CallScope(DEFAULT_TENANT, uuid.uuid4().hex, self._due(context), trail)
        code, reason = "OK", None
        self._in_flight += 1
        self._idle.clear()
        try:
            scope.tenant = self._tenant_of(context)
            scope.languages = _languages(context)
            yield scope
            if (afterwards := scope.afterwards) is not None:
                done: Any = lambda _: afterwards()  # noqa: E731  Typed for a stub that wants a class.
                context.add_done_callback(done)
        except GatewayError as error:
            code, reason = error.code, error.reason
            await _abort(context, scope, error)
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except Exception as error:  # noqa: BLE001  The outermost border: a defect becomes a status, not UNKNOWN.
            code, reason = "INTERNAL", Reason.INTERNAL
            log_defect(error, request_id=scope.request_id)
            await _abort(context, scope, GatewayError("a defect of the gateway; its log has the request id"))
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            self._report(method, scope, code, reason)

    def _due(self, context: Context) -> Deadline | None:
        remaining_s = context.time_remaining()
        return None if remaining_s is None else Deadline.after(least_sent_s(remaining_s), self._clock)

    def _report(self, method: str, scope: CallScope, code: str, reason: Reason | None) -> None:
        if reason is None and scope.answer is not None and scope.answer.degraded is not None:
            reason = scope.answer.degraded.reason
        report = CallReport(
            method=method,
            request_id=scope.request_id,
            tenant=scope.tenant,
            code=code,
            reason=reason,
            policy=scope.policy,
            decision=scope.decision,
            shadow=scope.shadow,
            answer=scope.answer,
            attempts=scope.trail.attempts,
            ended_unix_s=self._clock.unix_s(),
            duration_s=scope.trail.elapsed_s,
            decision_s=scope.decision_s,
            first_text_s=scope.first_text_s,
            waited_s=scope.reader_s + scope.trail.paused_s,
        )
        _log.info("request", **call_fields(report))
        scope.trail.span.end(report)
        for observer in self._observers:
            observer(report)

    @property
    def in_flight(self) -> int:
        """How many calls are not over."""
        return self._in_flight


def _languages(context: Context) -> tuple[str, ...]:
    for key, value in context.invocation_metadata() or ():
        if key == "accept-language" and isinstance(value, str):
            return parse_languages(value)
    return ()


def _decoded(message: _Request | None) -> _Request:
    if message is None:
        raise InvalidRequest("request", "these bytes do not decode: wrong message, or text that is not UTF-8")
    return message


async def _abort(context: Context, scope: CallScope, error: GatewayError) -> None:
    attempts: tuple[Attempt, ...] = error.attempts
    status = status_of(error, request_id=scope.request_id, attempts=attempts)
    try:
        async with asyncio.timeout(TELL_S) as limit:
            await context.abort_with_status(AbortStatus(status, pushback=pushback_ms(error)))
    except TimeoutError:
        if not limit.expired():
            raise
        # Whoever does not read its answer will not read this either; it is on its way, and we go on.
        raise asyncio.CancelledError from None
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None  # The connection is gone: nobody is told.
