"""The border of the gateway: tenant, request id, deadline, one log line, and errors as statuses.

Handlers are wrapped once, when they are registered; an aio interceptor would build its wrapper again
for every call.
"""

import asyncio
import traceback
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from google.protobuf.message import DecodeError

from gateway.clock import Clock
from gateway.errors import GatewayError, InvalidRequest
from gateway.server.access import DEFAULT_TENANT, Context, TenantRule
from gateway.server.status import AbortStatus, pushback_ms, status_of
from gateway.server.wire import AnyRequest, parse_languages
from gateway.telemetry.logs import attempt_names
from gateway.types import Attempt

_Request = TypeVar("_Request", bound=AnyRequest)
_Response = TypeVar("_Response")

_log = structlog.get_logger()


@dataclass(slots=True)
class Scope:
    """What is known of the call that is being served, and what its log line will say."""

    tenant: str
    request_id: str
    remaining_s: float | None
    """Seconds that the caller's deadline leaves; None when it set none."""
    languages: tuple[str, ...] = ()
    """What the caller reads, the dearest first."""
    line: dict[str, object] = field(default_factory=dict)


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


class Boundary:
    """Wraps handlers, and counts what is in flight for a graceful end."""

    def __init__(self, *, clock: Clock, tenant_of: TenantRule) -> None:
        self._clock = clock
        self._tenant_of = tenant_of
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_idle(self) -> None:
        """Return when no call is in flight."""
        await self._idle.wait()

    def unary(
        self, method: str, handler: Callable[[_Request, Scope], Awaitable[_Response]]
    ) -> Callable[[_Request | None, Context], Awaitable[_Response]]:
        """Wrap a handler that gives one response."""

        async def serve(message: _Request | None, context: Context) -> _Response:
            async with self._call(method, context) as scope:
                return await handler(_decoded(message), scope)

        return serve

    def streaming(
        self, method: str, handler: Callable[[_Request, Scope], AsyncGenerator[_Response, None]]
    ) -> Callable[[_Request | None, Context], AsyncIterator[_Response]]:
        """Wrap a handler that gives a stream; the stream is closed when the caller goes away."""

        async def serve(message: _Request | None, context: Context) -> AsyncIterator[_Response]:
            async with (
                self._call(method, context) as scope,
                aclosing(handler(_decoded(message), scope)) as responses,
            ):
                async for response in responses:
                    yield response

        return serve

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncIterator[Scope]:
        started_s = self._clock.monotonic_s()
        scope = Scope(DEFAULT_TENANT, uuid.uuid4().hex, context.time_remaining())
        code = "OK"
        self._in_flight += 1
        self._idle.clear()
        try:
            scope.tenant = self._tenant_of(context)
            scope.languages = _languages(context)
            yield scope
        except GatewayError as error:
            code = error.code
            scope.line["reason"] = str(error.reason)
            await _abort(context, scope, error)
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except Exception as error:  # noqa: BLE001  The outermost border: a defect becomes a status, not UNKNOWN.
            code = "INTERNAL"
            _log_defect(scope, error)
            await _abort(context, scope, GatewayError("a defect of the gateway; its log has the request id"))
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            duration_ms = (self._clock.monotonic_s() - started_s) * 1000
            _log.info(
                "request",
                method=method,
                request_id=scope.request_id,
                tenant=scope.tenant,
                code=code,
                duration_ms=round(duration_ms, 2),
                **scope.line,
            )


def _languages(context: Context) -> tuple[str, ...]:
    for key, value in context.invocation_metadata() or ():
        if key == "accept-language" and isinstance(value, str):
            return parse_languages(value)
    return ()


def _decoded(message: _Request | None) -> _Request:
    if message is None:
        raise InvalidRequest("request", "these bytes do not decode: wrong message, or text that is not UTF-8")
    return message


async def _abort(context: Context, scope: Scope, error: GatewayError) -> None:
    attempts: tuple[Attempt, ...] = error.attempts
    if attempts:
        scope.line["attempts"] = attempt_names(attempts)
    status = status_of(error, request_id=scope.request_id, attempts=attempts)
    await context.abort_with_status(AbortStatus(status, pushback=pushback_ms(error)))


def _log_defect(scope: Scope, error: Exception) -> None:
    # The message of an unexpected exception may hold anything, a prompt too: only type and places are logged.
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    _log.error("defect", request_id=scope.request_id, error=type(error).__name__, places=places[-8:])
