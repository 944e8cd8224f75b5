"""One request on its way through the engine."""

from dataclasses import dataclass, field

from gateway.clock import Deadline
from gateway.engine.steps import BatchToken, Sampler, Sampling
from gateway.engine.text import TextStream
from gateway.errors import GatewayError
from gateway.types import FinishReason, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to generate: made by the server, which has tokenized the prompt."""

    request_id: str
    tenant: str
    prompt: tuple[int, ...] = field(repr=False)
    max_tokens: int
    stop: tuple[str, ...] = field(default=(), repr=False)
    sampling: Sampling
    deadline: Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """What a step gives one request: text, and with the last one how it ended."""

    ticket: int
    text: str = field(default="", repr=False)
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    failure: GatewayError | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self.finish_reason is not None or self.failure is not None


class Sequence:
    """A job that has a slot: what of it is decoded, and what comes next."""

    def __init__(
        self, *, ticket: int, job: Job, slot: int, sampler: Sampler, cells: int, start_s: float
    ) -> None:
        self.ticket = ticket
        self.job = job
        self.slot = slot
        self.sampler = sampler
        self.cells = cells
        """Cells of the KV cache that are set aside for it."""
        self.start_s = start_s
        self.position = 0
        """Tokens that are in the KV cache."""
        self.pending = list(job.prompt)
        """Tokens that are to be decoded next."""
        self.completion_tokens = 0
        self.text = TextStream(job.stop)

    @property
    def is_prefilling(self) -> bool:
        """Whether no token has been sampled yet."""
        return self.completion_tokens == 0

    @property
    def usage(self) -> Usage:
        """Tokens so far."""
        return Usage(prompt_tokens=len(self.job.prompt), completion_tokens=self.completion_tokens)

    def next_tokens(self, count: int) -> list[BatchToken]:
        """Return the next `count` pending tokens as rows of a batch; the last pending one wants logits."""
        last = len(self.pending) - 1
        return [
            BatchToken(token, self.position + i, self.slot, i == last)
            for i, token in enumerate(self.pending[:count])
        ]

    def decoded(self, count: int) -> bool:
        """Note that `count` pending tokens are decoded; return whether a token can be sampled now."""
        del self.pending[:count]
        self.position += count
        return not self.pending

    def take(self, token: int, *, piece: bytes, is_end: bool, context_tokens: int) -> Emission:
        """Take the sampled token; return what to show of it and whether it is the last."""
        self.completion_tokens += 1
        self.pending.append(token)
        shown = self.text.push(piece)
        reason = self._finish_reason(is_end, context_tokens)
        if reason is None:
            return Emission(ticket=self.ticket, text=shown)
        shown += self.text.finish()
        if self.text.is_stopped:
            reason = FinishReason.STOP_SEQUENCE
        return Emission(ticket=self.ticket, text=shown, finish_reason=reason, usage=self.usage)

    def _finish_reason(self, is_end: bool, context_tokens: int) -> FinishReason | None:
        if self.text.is_stopped:
            return FinishReason.STOP_SEQUENCE
        if is_end:
            return FinishReason.STOP
        total = len(self.job.prompt) + self.completion_tokens
        if self.completion_tokens >= self.job.max_tokens or total >= context_tokens:
            return FinishReason.LENGTH
        return None
