"""What passes through the layers of dispatch: a model's turn, and one try of it."""

import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from gateway.backends.base import Call
from gateway.clock import Clock, Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.domain.answer import Chunk, FinishReason, Usage
from gateway.domain.decision import EgressPermit
from gateway.domain.request import Request
from gateway.domain.strings import estimate_prompt_tokens
from gateway.policy.escalation import Escalate
from gateway.policy.model import ModelSpec, Policy


@dataclass(frozen=True, kw_only=True)  # Without slots: it keeps what it computes.
class Target:
    """One model's turn at one request; it may take several tries."""

    request: Request
    """What this model is sent."""
    policy: Policy
    model: str
    is_last: bool
    """Whether no other model of the chain follows."""
    is_streamed: bool
    deadline: Deadline
    """When dispatch must be over: the caller's deadline less the reserve for the reply."""
    attempt_log: AttemptLog
    permit: EgressPermit | None = None
    """Routing's leave for a cloud model; handed on, never made here."""
    continue_final_message: bool = False
    """Whether the last message is the beginning of the answer, and the model only goes on from it."""
    may_escalate: bool = False
    """Whether another model can answer if this one is not sure, and nobody was told anything yet."""

    @property
    def spec(self) -> ModelSpec:
        """What the policy says of the model."""
        return self.policy.models[self.model]

    @property
    def is_streamed_upstream(self) -> bool:
        """Whether the model's answer comes in pieces: an engine's always does, whatever the caller asked."""
        return self.is_streamed or self.spec.has_engine

    @property
    def escalate(self) -> Escalate | None:
        """When the answer is to be dropped for the next model's."""
        may_escalate = self.may_escalate and not self.continue_final_message
        return self.spec.escalation if may_escalate else None

    @cached_property
    def max_tokens(self) -> int:
        """The bound of an answer; always sent."""
        return most_tokens(self.request, self.spec)

    @property
    def reserved_tokens(self) -> int:
        """The most tokens that are charged: of the answer, and of samples beside it."""
        return self.max_tokens + (0 if self.escalate is None else self.escalate.sample_tokens)

    def call(self, deadline: Deadline, *, traceparent: str | None) -> Call:
        """Return what the backend is given."""
        return Call(
            request=self.request,
            max_tokens=self.max_tokens,
            deadline=deadline,
            stall_s=self.policy.resilience.stall_s,
            permit=self.permit,
            continue_final_message=self.continue_final_message,
            escalate=self.escalate,
            sampling=self.spec.sampling.values(),
            traceparent=traceparent,
        )

    def share(self, clock: Clock) -> Deadline:
        """Return how long this model may keep the caller waiting: half of what is left if another follows."""
        return self.deadline if self.is_last else Deadline(self.share_s(clock.monotonic_s()))

    def share_s(self, now_s: float) -> float:
        """Return the same in seconds of the monotonic clock."""
        return self.deadline.at_s if self.is_last else now_s + (self.deadline.at_s - now_s) / 2


@dataclass(slots=True, kw_only=True)
class AttemptContext:
    """One try of a turn; a layer writes into it what only that layer knows."""

    target: Target
    traceparent: str | None = None
    """Written by the layer that draws spans: names this try to the provider's own traces."""
    has_output: bool = False
    """Written by the innermost layer: whether the model sent anything, be it an empty piece."""
    usage: Usage | None = None
    """Written by the innermost layer, as soon as the model reports it."""
    upstream_s: float = 0.0
    """Written by the innermost layer: what the model was waited for; not for a reader, nor for the ledger."""
    first_text_s: float | None = None
    """Written by the innermost layer: of `upstream_s`, what passed until the first text of a stream."""
    cost_usd_nanos: int = 0
    """Written by the layer that reserves: what was charged."""
    finish_reason: FinishReason | None = None
    """Written by the innermost layer: of the latest piece."""

    def note(self, chunk: Chunk) -> Chunk:
        """Take down what a piece says about the try, and return it."""
        self.has_output = True
        self.usage = chunk.usage or self.usage
        self.finish_reason = chunk.finish_reason
        return chunk


def most_tokens(request: Request, spec: ModelSpec) -> int:
    """Return how many tokens an answer may have: what is asked for, at most what model and context leave."""
    return most_tokens_after(estimate_prompt_tokens(request), request, spec)


def most_tokens_after(prompt_tokens: int, request: Request, spec: ModelSpec) -> int:
    """Return the same for a prompt of an estimated length.

    Half of the estimate is fewer tokens than a prompt has, so an answer that would fit is not made shorter.
    """
    if request.embedding is not None:
        return 0  # Vectors have no tokens.
    wanted = spec.max_tokens if request.config.max_tokens is None else request.config.max_tokens
    wanted = min(wanted, spec.max_output_tokens or wanted)
    return max(1, min(wanted, spec.context - prompt_tokens // 2))


class Layer(Protocol):
    """From one try to the pieces of one answer.

    It yields at least one chunk, the last of them (and only it) with a `finish_reason`, or raises
    `errors.AttemptError`. Whoever stops early closes it, and it closes what it wraps before it ends.
    """

    def __call__(self, attempt: AttemptContext, /) -> AsyncGenerator[Chunk, None]:
        """Yield the answer in pieces."""
        ...


def seconds_left(deadline: Deadline, clock: Clock) -> float | None:
    """Return what is left of a deadline as asyncio wants a timeout: None for one that does not come."""
    left_s = deadline.remaining_s(clock)
    return None if math.isinf(left_s) else left_s
