"""The calls of every transport: who calls, how many are in flight, and the report of each that is over.

A transport opens a call when it comes, authenticates its caller, begins it, runs the pipeline and renders:

    async with calls.open(operation, caller, fail=...) as call:
        await call.authenticate(due=...)
        with call.begin(request_id=...) as (context, pipeline):
            answer = await pipeline.run(incoming, context)

Whatever ends the block is one line of the access log, and one report for metrics, records and traces.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from secrets import token_hex

import structlog

from gateway.clock import Clock, Deadline
from gateway.defects import log_defect
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.cache_control import parse_cache_control
from gateway.domain.decision import Reason
from gateway.errors import GatewayError, RateLimited
from gateway.pipeline.active_policy import ActivePolicy
from gateway.pipeline.context import CallContext, CallSummary
from gateway.pipeline.run import Pipeline
from gateway.pipeline.start_queue import StartQueue
from gateway.server.access import DEFAULT_TENANT, Caller, TenantRule
from gateway.server.validation.languages import parse_languages
from gateway.telemetry.logs import call_fields
from gateway.telemetry.report import CallReport, Observer, Operation
from gateway.telemetry.traces import NO_SPAN, Tracer

Fail = Callable[[GatewayError, str], Awaitable[None]]
"""Sends an error to the caller, with the id of its request; the transport's own status says which it is."""
NOBODY = ""
"""Those that call without valid credentials have their turns together, as one tenant."""
_log = structlog.get_logger()


class OpenCall:
    """A call that is being served, from its arrival to its report; `Calls.open` makes it."""

    def __init__(
        self,
        active: ActivePolicy,
        caller: Caller,
        tenant_of: TenantRule,
        log: AttemptLog,
        *,
        start: StartQueue,
    ) -> None:
        self._start = start
        self._active = active
        self._caller = caller
        self._tenant_of = tenant_of
        self._deadline: Deadline | None = None
        """None until the caller is authenticated."""
        self.attempt_log = log
        self.tenant = DEFAULT_TENANT
        """Until the caller is authenticated, the default one."""
        self.key_name = ""
        """Of the API key that came with the call; see `Identity`."""
        self.request_id = token_hex(16)
        """A new one, until the call begins."""
        self.reader_s = 0.0
        """How long the answer waited for its reader."""
        self.summary = CallSummary()
        """What the pipeline said at the end."""

    async def authenticate(self, *, due: Deadline | None, own_id: Callable[[], str] = str) -> None:
        """Find out who calls, and wait for a turn of theirs, before anything of the request is read.

        `due`: when the caller gives up. Raises GatewayError for a stranger, who waits too: to refuse a call
        costs the event loop half of what it costs to begin one. Raises RateLimited for a tenant that has had
        its minute's worth; then `own_id` finds the caller's id of the request.
        """
        deadline = self._active.pipeline.deadline(due)
        try:
            identity = self._tenant_of(self._caller)
        except GatewayError:
            await self._start.turn(NOBODY, deadline)
            raise
        self.tenant, self.key_name = identity.tenant, identity.key_name
        await self._start.turn(self.tenant, deadline)
        self._deadline = deadline
        try:
            self._active.pipeline.check_rates(self.tenant)
        except RateLimited:
            self.request_id = own_id() or self.request_id
            raise

    def count_unread(self) -> None:
        """Count a request of the tenant that turned out to be unreadable: to find that out took time."""
        self._active.pipeline.pass_rates(self.tenant)

    @property
    def deadline(self) -> Deadline:
        """Until when the caller waits, once it is authenticated."""
        if self._deadline is None:
            raise RuntimeError("a call has a deadline when its caller is authenticated")
        return self._deadline

    @contextmanager
    def begin(self, *, request_id: str) -> Iterator[tuple[CallContext, Pipeline]]:
        """Give the call the pipeline of the policy that is active now."""
        deadline = self.deadline
        self.request_id = request_id
        with self._active.begin() as pipeline:
            context = CallContext(
                tenant=self.tenant,
                key_name=self.key_name,
                request_id=request_id,
                deadline=deadline,
                attempt_log=self.attempt_log,
                take_turn=partial(self._start.turn, self.tenant, deadline),
                conclude=self._conclude,
                languages=parse_languages(self._caller.headers.get("accept-language", "")),
                cache_control=parse_cache_control(self._caller.headers.get("cache-control", "")),
            )
            yield context, pipeline

    @contextmanager
    def reading(self, clock: Clock) -> Iterator[None]:
        """Count the time of the block as waiting for the caller to read."""
        began_s = clock.monotonic_s()
        try:
            yield
        finally:
            self.reader_s += clock.monotonic_s() - began_s

    def _conclude(self, summary: CallSummary) -> None:
        self.summary = summary


class Calls:
    """The calls of one process: counts those in flight, and tells observers of each that is over."""

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
        self._clock = clock
        self._tenant_of = tenant_of
        self._observers = tuple(observers)
        self._tracer = tracer
        self._start = StartQueue(clock)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_flight(self) -> int:
        """How many calls are not over."""
        return self._in_flight

    async def wait_idle(self) -> None:
        """Return when no call is in flight."""
        await self._idle.wait()

    @asynccontextmanager
    async def open(self, operation: Operation, caller: Caller, *, fail: Fail) -> AsyncIterator[OpenCall]:
        """Serve a call in the block; `fail` tells its caller of an error, a defect of the gateway too."""
        span = self._tracer.call(operation, caller.headers)
        log = AttemptLog(self._clock, span)
        call = OpenCall(self._active, caller, self._tenant_of, log, start=self._start)
        code, reason = "OK", None
        self._in_flight += 1
        self._idle.clear()
        try:
            yield call
        except GatewayError as error:
            code, reason = error.code, error.reason
            await fail(error, call.request_id)
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except Exception as error:  # noqa: BLE001  The outermost border: a defect becomes a status, not UNKNOWN.
            code, reason = "INTERNAL", Reason.INTERNAL
            log_defect(error, request_id=call.request_id)
            defect = GatewayError("a defect of the gateway; its log has the request id")
            await fail(defect, call.request_id)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            self._report(operation, call, code, reason)

    def _report(self, operation: Operation, call: OpenCall, code: str, reason: Reason | None) -> None:
        summary, log = call.summary, call.attempt_log
        if reason is None and summary.answer is not None and summary.answer.degraded is not None:
            reason = summary.answer.degraded.reason
        report = CallReport(
            transport=operation.transport,
            method=operation.method,
            request_id=call.request_id,
            tenant=call.tenant,
            key_name=call.key_name,
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
            http_method=operation.span_attributes.get("http.request.method", ""),
            http_route=operation.span_attributes.get("http.route", ""),
        )
        _log.info("request", **call_fields(report))
        log.span.end(report)
        for observer in self._observers:
            observer(report)
