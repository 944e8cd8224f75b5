"""What an engine is asked for."""

from dataclasses import dataclass, field

from gateway.clock import Deadline
from gateway.engine.interfaces import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """What to generate: made by the server, which has tokenized the prompt."""

    request_id: str
    tenant: str
    prompt: tuple[int, ...] = field(repr=False)
    max_tokens: int
    """Of the answer; the scheduler lowers it to what the context leaves beside the prompt."""
    stop: tuple[str, ...] = field(default=(), repr=False)
    sampling: Sampling
    deadline: Deadline
