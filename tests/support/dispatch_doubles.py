"""A dispatcher over scripted backends, and the requests and policies to try it with."""

import random
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal

from gateway.backends.base import Backend
from gateway.clock import Clock, Deadline
from gateway.dispatch.budget import Ledger
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.recovery import PrivacyCheck
from gateway.domain.answer import (
    Answer,
    Chunk,
    Delta,
    FinishReason,
    ReasoningDelta,
    Restart,
    StreamEvent,
    TokenConfidence,
    ToolCallDelta,
    Usage,
)
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, Reason, Refusal, Scores
from gateway.domain.delivery import Delivery
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import GenerationConfig, Hints, Request
from gateway.ledger.memory import MemoryLedger
from gateway.policy.escalation import Escalate
from gateway.policy.limits import Limits
from gateway.policy.model import (
    Budget,
    CannedReply,
    LlamaCppModel,
    ModelSpec,
    OpenAIModel,
    Policy,
    Price,
    PrivacyPolicy,
    Resilience,
)
from gateway.testing.scripted import Act, Delay, Script, ScriptedBackend
from tests.support.virtual_time import LoopClock

CLOUD = OpenAIModel(
    kind="openai",
    model="big",
    clearance="internal",
    price_per_million_usd=Price(input=Decimal(1), output=Decimal(2)),
)
EDGE = LlamaCppModel(kind="llama_cpp", path="builtin:demo", clearance="restricted")
REPLIES = (
    CannedReply(id="over-budget", when_reason=(Reason.BUDGET_EXHAUSTED,), text="Used up."),
    CannedReply(id="sorry", text="Sorry."),
)
PROMPT = "a prompt of 24 characters"
WORST = (len(PROMPT) + 16 + 64) * 1000 + 100 * 2000
"""What a call to CLOUD with `a_request()` is reserved at, in nano-dollars."""


def a_policy(
    models: Mapping[str, ModelSpec],
    *,
    budgets: Sequence[Budget] = (),
    resilience: Resilience | None = None,
    limits: Limits | None = None,
) -> Policy:
    """Return a policy with these models and no rules, since dispatch reads none."""
    return Policy(
        models=models,
        privacy=PrivacyPolicy(),
        budgets=tuple(budgets),
        rules=(),
        resilience=resilience or Resilience(),
        limits=limits or Limits(),
        replies=REPLIES,
        effective_yaml="",
        hash="0" * 64,
    )


def a_budget(limit_usd_nanos: int) -> Budget:
    """Return a tenant's daily budget."""
    return Budget(
        name="daily", per="tenant", limit_usd=Decimal(limit_usd_nanos) / 1_000_000_000, window="day"
    )


def a_request(
    *, max_cost_usd_nanos: int | None = None, allow_degraded: bool = True, tenant: str = "acme"
) -> Request:
    """Return a request for at most 100 tokens."""
    return Request(
        request_id="r1",
        tenant=tenant,
        messages=(Message(role=Role.USER, content=PROMPT),),
        config=GenerationConfig(max_tokens=100),
        hints=Hints(max_cost_usd_nanos=max_cost_usd_nanos, allow_degraded=allow_degraded),
    )


def a_decision(*chain: str, refused: Sequence[Refusal] = ()) -> Decision:
    """Return a decision for a chain."""
    return Decision(
        scores=Scores(complexity=0.5, privacy=0.0, budget=0.0),
        privacy_class=PrivacyClass.PUBLIC,
        privacy_reason="score",
        findings=(),
        rule="default",
        rule_errors=(),
        chain=chain,
        refused=tuple(refused),
        policy_hash="0" * 64,
    )


class Bench:
    """A dispatcher, its scripted backends and its ledger; models named `edge*` are local, others priced."""

    def __init__(
        self,
        scripts: Mapping[str, Script],
        *,
        budgets: Sequence[Budget] = (),
        resilience: Resilience | None = None,
        specs: Mapping[str, ModelSpec] | None = None,
        clock: Clock | None = None,
        ledger: Ledger | None = None,
        privacy_check: PrivacyCheck | None = None,
        backends: Mapping[str, Backend] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._privacy_check = privacy_check
        self.clock = clock or LoopClock()
        self.backends = {
            name: ScriptedBackend(name, script, clock=self.clock)
            for name, script in scripts.items()
            if name not in (backends or {})
        }
        models = {name: EDGE if name.startswith("edge") else CLOUD for name in scripts} | dict(specs or {})
        self.policy = a_policy(models, budgets=budgets, resilience=resilience, limits=limits)
        self.ledger = ledger or MemoryLedger(clock=self.clock)
        self.dispatcher = Dispatcher(
            backends={**self.backends, **(backends or {})},
            ledger=self.ledger,
            clock=self.clock,
            rng=random.Random(7),
        )

    async def generate(
        self,
        *chain: str,
        request: Request | None = None,
        timeout_s: float = 60.0,
        refused: Sequence[Refusal] = (),
    ) -> Answer:
        """Dispatch a unary request along `chain`."""
        request = request or a_request()
        deadline = Deadline.after(timeout_s, self.clock)
        async with self.dispatcher.slot(request.tenant, policy=self.policy, deadline=deadline):
            return await self.dispatcher.generate(
                request, a_decision(*chain, refused=refused), policy=self.policy, deadline=deadline
            )

    async def stream(
        self,
        *chain: str,
        request: Request | None = None,
        timeout_s: float = 60.0,
        leave_after: int | None = None,
        delivery: Delivery = Delivery.PIECES,
    ) -> list[StreamEvent]:
        """Dispatch a streamed request along `chain` and return its events, all or the first few."""
        stream = self.dispatcher.stream(
            request or a_request(),
            a_decision(*chain),
            policy=self.policy,
            deadline=Deadline.after(timeout_s, self.clock),
            privacy_check=self._privacy_check,
            delivery=delivery,
        )
        events: list[StreamEvent] = []
        async with aclosing(stream):
            async for event in stream:
                events.append(event)
                if len(events) == leave_after:
                    break
        return events

    def called(self, model: str) -> int:
        """Return how often a model was called."""
        return len(self.backends[model].calls)


ESCALATE = Escalate(window_tokens=4, window_ms=500.0, below=0.35)


DOUBTFUL_EDGE = EDGE.model_copy(update={"escalate": ESCALATE})


SURE, UNSURE = -0.05, -6.0


def draft_of(logprobs: Sequence[float], *, pause_s: float = 0.0) -> list[Act]:
    """Return an answer whose tokens had these log-probabilities, as an engine streams it."""
    acts: list[Act] = []
    for n, logprob in enumerate(logprobs, start=1):
        if pause_s:
            acts.append(Delay(pause_s))
        certainty = TokenConfidence(logprob=logprob, margin=1.0, entropy=1.0)
        usage = Usage(prompt_tokens=7, completion_tokens=n)
        acts.append(Chunk(text=f"draft{n} ", usage=usage, certainties=(certainty,)))
    return [
        *acts,
        Chunk(
            finish_reason=FinishReason.STOP,
            usage=Usage(prompt_tokens=7, completion_tokens=len(logprobs)),
        ),
    ]


def told(events: Sequence[StreamEvent]) -> list[str]:
    """Return events as short words."""
    words = []
    for event in events:
        match event:
            case Delta(tool_call=ToolCallDelta() as call):
                words.append(f"{event.attempt}:call {call.index} {call.name}{call.arguments_json}")
            case Delta(reasoning=ReasoningDelta() as thought):
                words.append(f"{event.attempt}:thinks {thought.text}")
            case Delta():
                words.append(f"{event.attempt}:{event.text}")
            case Restart():
                words.append(f"restart {event.model or 'canned'} {event.reason}")
            case Answer():
                words.append(f"answer {event.text}")
    return words
