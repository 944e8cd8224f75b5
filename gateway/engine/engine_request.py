"""A request as the scheduler takes it."""

from dataclasses import dataclass, field

from gateway.clock import Deadline
from gateway.engine.interfaces import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """One generation: made by the server, which has tokenized the prompt."""

    request_id: str
    tenant: str
    prompt: tuple[int, ...] = field(repr=False)
    max_tokens: int
    """Most tokens of the answer; the scheduler lowers it to what the context leaves after the prompt."""
    stop: tuple[str, ...] = field(default=(), repr=False)
    sampling: Sampling
    deadline: Deadline
