"""Runs a local model without a gateway: its answers, and the signals of their first tokens."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.backends.agreement import Samples, agreement, answer_key, held_back
from gateway.backends.base import Call
from gateway.backends.confidence import Signals, signals_of
from gateway.backends.local import LocalBackend
from gateway.clock import Clock, Deadline
from gateway.domain.answer import Chunk, TokenConfidence
from gateway.domain.assembly import assembled
from gateway.domain.conversation import Message
from gateway.domain.request import GenerationConfig, Request
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.policy.escalation import Escalate
from gateway.policy.model import LlamaCppModel

ANSWER_S = 120.0
"""Time limit of one answer, in seconds."""
MOST_TOKENS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """One greedy answer; `signals` is None for an answer without a token."""

    text: str = field(repr=False)
    signals: Signals | None
    agreement: float | None = None
    """The share of answers that come to the same, where samples are compared."""
    sample_tokens: int = 0


class ModelProbe:
    """Runs an engine for one model of a policy: `start`, `answers`, `close`."""

    def __init__(self, name: str, spec: LlamaCppModel, *, clock: Clock) -> None:
        # The engine refuses to start with a calibration for another file.
        self._escalate = (spec.escalate or Escalate()).model_copy(update={"calibration": None})
        self._most_tokens = min(spec.max_tokens, MOST_TOKENS)
        self._clock = clock
        self._supervisor = EngineSupervisor(
            name,
            spec.model_copy(update={"escalate": self._escalate}),
            clock=clock,
            on_status=lambda model, is_serving: None,
        )
        self._backend = LocalBackend(name, self._supervisor, clock=clock)

    @property
    def template_sha256(self) -> str:
        """The hash of the chat template that the engine uses."""
        return self._supervisor.template_sha256

    async def start(self) -> None:
        """Start the engine process; raises StartupError."""
        await self._supervisor.start()

    async def answers(self, conversations: Iterable[Sequence[Message]]) -> AsyncIterator[ProbeAnswer]:
        """Yield the answer to each conversation, one after the other; raises BackendError."""
        for messages in conversations:
            yield await self._answer(messages)

    async def close(self) -> None:
        """Stop the engine process."""
        await self._backend.aclose()
        await self._supervisor.stop()

    async def _answer(self, messages: Sequence[Message]) -> ProbeAnswer:
        call = Call(
            request=Request(
                request_id="probe",
                tenant="probe",
                messages=tuple(messages),
                config=GenerationConfig(temperature=0.0),
            ),
            max_tokens=self._most_tokens,
            deadline=Deadline.after(ANSWER_S, self._clock),
            escalate=self._escalate,
        )
        text = ""
        certainties: list[TokenConfidence] = []
        chunks: list[Chunk] = []
        async for chunk in self._backend.stream(call):
            chunks.append(chunk)
            text += chunk.text
            certainties += chunk.certainties
        agreed, sample_tokens = await self._compared(call, chunks)
        return ProbeAnswer(
            text=text,
            signals=signals_of(certainties) if certainties else None,
            agreement=agreed,
            sample_tokens=sample_tokens,
        )

    async def _compared(self, call: Call, chunks: Sequence[Chunk]) -> tuple[float | None, int]:
        """Return how far samples agree with the part of an answer that is held back, and their tokens."""
        asked = self._escalate.agreement
        if asked is None:
            return None, 0
        async with Samples(self._backend, call, asked) as samples:
            keys = await samples.keys(ANSWER_S)
        held = held_back(chunks, asked.max_tokens)
        return agreement(answer_key(assembled(held)), keys), samples.tokens
