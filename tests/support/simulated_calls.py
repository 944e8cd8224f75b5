"""Conversations with the simulated provider through the gateway's backends, for tests of both."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.backends.base import Backend, Call, open_backend
from gateway.clock import Deadline, SystemClock
from gateway.domain.answer import Reply
from gateway.domain.assembly import assembled
from gateway.domain.conversation import Message, Role, Text, ToolResult
from gateway.domain.request import GenerationConfig, Request
from gateway.policy.kinds import KINDS
from tests.support.permits import permit_for

NO_CONFIG = GenerationConfig()


@asynccontextmanager
async def opened(fields: Mapping[str, object], *, base_url: str) -> AsyncIterator[Backend]:
    """Open a backend named `cloud` of the kind that a policy's model has; it is closed with the block."""
    spec = KINDS[str(fields["kind"])].spec.model_validate({**fields, "base_url": base_url})
    backend = open_backend("cloud", spec, api_key="key-1", clock=SystemClock())
    try:
        yield backend
    finally:
        await backend.aclose()


async def ask(
    backend: Backend,
    *messages: Message,
    is_streamed: bool,
    config: GenerationConfig = NO_CONFIG,
    max_tokens: int = 2000,
) -> tuple[Reply, Message]:
    """Return the answer to messages, and the message to append."""
    request = Request(request_id="request-1", tenant="tenant-1", messages=messages, config=config)
    call = Call(
        request=request,
        max_tokens=max_tokens,
        deadline=Deadline.after(30.0, SystemClock()),
        permit=permit_for(request),
    )
    if is_streamed:
        joined = assembled([chunk async for chunk in backend.stream(call)])
    else:
        joined = assembled([(await backend.generate(call)).as_chunk()])
    return joined.reply(), joined.message("cloud")


def results_for(said: Message) -> list[Message]:
    """Return a result for each call of a message: `result 0`, `result 1`."""
    return [
        Message(role=Role.TOOL, parts=(ToolResult(tool_call_id=call.id, parts=(Text(f"result {i}"),)),))
        for i, call in enumerate(said.tool_calls)
    ]
