"""The way of a request once it is valid: scores, decision, dispatch; knows nothing of the wire."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import Protocol

from gateway.clock import Clock, Deadline
from gateway.complexity.complexity import complexity_of, features_of
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.dispatcher import Dispatcher, before_reply
from gateway.domain.ticket import Fetched
from gateway.errors import TicketUnknown
from gateway.ledger.accounts import Account, accounts_for
from gateway.ledger.score import score_budget, score_plan
from gateway.ledger.spend_cache import SpendCache
from gateway.pipeline.assess import PolicyAssessor
from gateway.pipeline.shadow import Shadow
from gateway.policy.model import Handoff, Policy
from gateway.privacy.entities.ask import EntityLookup, ask_all
from gateway.routing import RoutingState, decide
from gateway.types import (
    Answer,
    Decision,
    Entities,
    PrivacyAssessment,
    Request,
    Scores,
    ShadowDecision,
    StreamEvent,
)

Gate = Callable[[str, int, Policy], None]
"""Turns requests away before anything is done for them, by tenant and tokens of the prompt; GatewayError."""


class Handoffs(Protocol):
    """The people behind the gateway, as the pipeline needs them."""

    async def offer(
        self, request: Request, decision: Decision, answer: Answer, *, section: Handoff, deadline: Deadline
    ) -> Answer:
        """Return the answer, with a ticket if it is a canned reply for which a person is asked."""
        ...

    async def fetch(self, ticket_id: str, *, tenant: str) -> Fetched:
        """Return a ticket of the tenant; raises TicketUnknown and HandoffUnavailable."""
        ...


class Pipeline:
    """Scores, decides and dispatches under one policy, and never changes; a new policy is a new pipeline."""

    def __init__(
        self,
        *,
        policy: Policy,
        assessor: PolicyAssessor,
        dispatcher: Dispatcher,
        budgets: SpendCache,
        clock: Clock,
        shadow: Shadow | None = None,
        gates: Sequence[Gate] = (),
        entities: Sequence[EntityLookup] = (),
        handoffs: Handoffs | None = None,
    ) -> None:
        self.policy = policy
        self._shadow = shadow
        self._gates = tuple(gates)
        self._entities = tuple(entities)
        self._handoffs = handoffs
        self._assessor = assessor
        self._dispatcher = dispatcher
        self._budgets = budgets
        self._clock = clock
        complexity_of(features_of(()), policy.scorer)  # Reads the word table now, not in the first request.
        self._priced = tuple(name for name, spec in policy.models.items() if spec.price is not None)

    def deadline(self, due: Deadline | None) -> Deadline:
        """Return the deadline of a call whose caller gives up when it is `due`; None: the caller set none."""
        bounds = self.policy.resilience.deadline_s
        if due is None:
            return Deadline.after(bounds.default, self._clock)
        return due.at_most(bounds.max, self._clock)

    def left_s(self, deadline: Deadline) -> float:
        """Return how long may still be worked on a request before its reply has to leave."""
        return before_reply(deadline).remaining_s(self._clock)

    def admit(self, tenant: str, prompt_tokens: int) -> None:
        """Raise GatewayError for a request that is turned away whatever it asks."""
        for gate in self._gates:
            gate(tenant, prompt_tokens, self.policy)

    def place(self, tenant: str, deadline: Deadline) -> AbstractAsyncContextManager[None]:
        """Hold a tenant's place among the requests that are worked on at once; raises Overloaded."""
        return self._dispatcher.place(tenant, policy=self.policy, deadline=deadline)

    def turn_to_check(
        self, tenant: str, schema: str, deadline: Deadline
    ) -> AbstractAsyncContextManager[None]:
        """Hold a tenant's turn while a schema is checked; raises Overloaded."""
        return self._assessor.turn_to_check(tenant, schema, deadline)

    async def decide(self, request: Request, deadline: Deadline) -> Decision:
        """Score the request and say where it may go; spends nothing, calls no model but that of entities."""
        entities = await ask_all(self._entities, request, deadline) if self._entities else Entities()
        features, privacy, masked = await self._assessor.assess(request, deadline, entities)
        budget, budget_plan = await self._score_budgets(request)
        scores = Scores(
            complexity=complexity_of(features, self.policy.scorer), privacy=privacy.score, budget=budget
        )
        view = RoutingState(
            deadline_s=deadline.remaining_s(self._clock),
            finish_s=self._dispatcher.finish_s(request, policy=self.policy),
            idle=self._dispatcher.idle(),
            budget_plan=budget_plan,
        )
        return decide(
            request,
            scores=scores,
            privacy=privacy,
            policy=self.policy,
            view=view,
            masked=masked,
            features=features,
        )

    async def shadowed(
        self, request: Request, decision: Decision, deadline: Deadline
    ) -> ShadowDecision | None:
        """Return what the policy that only watches would have decided; None without one."""
        if self._shadow is None:
            return None
        return await self._shadow.decide(request, decision, deadline)

    async def generate(
        self, request: Request, decision: Decision, deadline: Deadline, trail: AttemptLog | None = None
    ) -> Answer:
        """Return the answer, or the canned reply; raises GatewayError. Every try is noted in `trail`."""
        answer = await self._dispatcher.generate(
            request, decision, policy=self.policy, deadline=deadline, trail=trail
        )
        return await self._handed_over(request, decision, answer, deadline)

    async def stream(
        self, request: Request, decision: Decision, deadline: Deadline, trail: AttemptLog | None = None
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yield the answer as it is made; only an Answer ends it well. Raises GatewayError."""
        judge = partial(self._judge, deadline=deadline)
        events = self._dispatcher.stream(
            request, decision, policy=self.policy, deadline=deadline, trail=trail, judge=judge
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Answer):
                    yield await self._handed_over(request, decision, event, deadline)
                else:
                    yield event

    async def generate_beside(
        self, request: Request, decision: Decision, *, policy: Policy, deadline: Deadline, trail: AttemptLog
    ) -> Answer:
        """Answer what no caller waits for, under another policy's budgets and number of tries."""
        return await self._dispatcher.generate_beside(
            request, decision, policy=policy, deadline=deadline, trail=trail
        )

    async def is_wanted(self, model: str, *, beside: int) -> bool:
        """Say whether callers want a model that has `beside` requests of the asker; raises BackendError."""
        return await self._dispatcher.is_wanted(model, beside=beside)

    async def fetch_handoff(self, ticket_id: str, *, tenant: str) -> Fetched:
        """Return a ticket of the tenant; raises TicketUnknown and HandoffUnavailable."""
        if self._handoffs is None:
            raise TicketUnknown("no ticket of this tenant has this id, or none any more")
        return await self._handoffs.fetch(ticket_id, tenant=tenant)

    async def _handed_over(
        self, request: Request, decision: Decision, answer: Answer, deadline: Deadline
    ) -> Answer:
        """Return the answer; a canned one only when a person has the request, if the policy wants that."""
        section = self.policy.handoff
        if section is None or self._handoffs is None or answer.degraded is None:
            return answer
        return await self._handoffs.offer(request, decision, answer, section=section, deadline=deadline)

    async def _judge(self, request: Request, *, deadline: Deadline) -> PrivacyAssessment:
        return (await self._assessor.assess(request, deadline)).privacy

    async def _score_budgets(self, request: Request) -> tuple[float, float]:
        """Return how much is gone of what the request may cost, and how far that is ahead of its plan."""
        unix_s = self._clock.unix_s()
        accounts = self._accounts(request, unix_s)
        spent = await self._budgets.spent_and_limits(accounts)
        plan = score_plan(
            (*each, account.passed(unix_s)) for each, account in zip(spent, accounts, strict=True)
        )
        return score_budget(spent), plan

    def _accounts(self, request: Request, unix_s: float) -> tuple[Account, ...]:
        found = {
            account.key: account
            for model in self._priced
            for account in accounts_for(
                self.policy.budgets, tenant=request.tenant, labels=request.labels, model=model, unix_s=unix_s
            )
        }
        return tuple(found.values())
