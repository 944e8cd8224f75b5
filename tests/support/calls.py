"""Calls as a transport makes them, without one."""

from collections.abc import Callable

from gateway.clock import Clock, Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.pipeline.context import CallContext, CallSummary, IncomingRequest
from gateway.routing import estimate_prompt_tokens
from gateway.types import Request


def context_of(
    request: Request,
    deadline: Deadline,
    *,
    clock: Clock,
    conclude: Callable[[CallSummary], None] = lambda _: None,
) -> CallContext:
    """Return who calls, and until when."""
    return CallContext(
        tenant=request.tenant,
        request_id=request.request_id,
        deadline=deadline,
        attempt_log=AttemptLog(clock),
        conclude=conclude,
    )


def incoming_of(request: Request) -> IncomingRequest:
    """Return a request that was checked already."""
    return IncomingRequest(
        prompt_tokens=estimate_prompt_tokens(request),
        json_schema=request.config.json_schema or "",
        parse=lambda: request,
    )
