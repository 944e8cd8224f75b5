"""A call of a backend."""

from gateway.backends.base import Call
from gateway.clock import Clock, Deadline, SystemClock
from gateway.domain.conversation import Message, Role
from gateway.domain.request import GenerationConfig, Request
from tests.support.permits import permit_for


def call_of(
    content: str = "Hello there",
    *,
    config: GenerationConfig | None = None,
    max_tokens: int = 100,
    timeout_s: float = 30.0,
    clock: Clock | None = None,
) -> Call:
    """Return a call with one user message."""
    request = Request(
        request_id="request-1",
        tenant="tenant-1",
        messages=(Message(role=Role.USER, content=content),),
        config=config or GenerationConfig(),
        labels={"team": "label-1"},
    )
    deadline = Deadline.after(timeout_s, clock or SystemClock())
    return Call(request=request, max_tokens=max_tokens, deadline=deadline, permit=permit_for(request))
