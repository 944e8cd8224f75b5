"""The life of a request, the same for every transport: `Pipeline.run` and `Pipeline.stream`.

A transport parses, runs and renders. The cheap steps come first: rates and a slot, then the check of the
request, then its scores, then a model. Nothing runs on after the deadline.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

from gateway.clock import Clock, Deadline
from gateway.dispatch.attempt_log import AttemptLog
from gateway.dispatch.dispatcher import Dispatcher, before_reply
from gateway.dispatch.layer import seconds_left
from gateway.domain.answer import Answer, Delta, StreamEvent
from gateway.domain.capability import Capability
from gateway.domain.decision import Decision, RoutingState, ShadowDecision
from gateway.domain.delivery import Delivery
from gateway.domain.privacy import Entities
from gateway.domain.request import Feedback, Request
from gateway.domain.session import NEW_SESSION, SessionState
from gateway.domain.strings import estimate_prompt_tokens
from gateway.domain.ticket import Fetched
from gateway.errors import DeadlinePassed, RecordsOff, TicketUnknown
from gateway.ledger.accounts import accounts_of
from gateway.ledger.score import score_accounts
from gateway.ledger.spend_cache import SpendCache
from gateway.pipeline.assess import PolicyAssessor
from gateway.pipeline.buffered import buffered
from gateway.pipeline.context import CallContext, CallSummary, IncomingRequest, TokenCount
from gateway.pipeline.extras import Extras
from gateway.pipeline.model_name import check_in_route, check_model_name, with_space
from gateway.policy.model import Policy
from gateway.privacy.entities.ask import ask_all
from gateway.routing import Decider


class Pipeline:
    """Serves requests under one policy, and never changes; a new policy is a new pipeline."""

    def __init__(
        self,
        *,
        policy: Policy,
        assessor: PolicyAssessor,
        dispatcher: Dispatcher,
        budgets: SpendCache,
        clock: Clock,
        extras: Extras | None = None,
    ) -> None:
        self.policy = policy
        self._decider = Decider(policy)
        self._extras = extras or Extras()
        self._assessor = assessor
        self._dispatcher = dispatcher
        self._budgets = budgets
        self._clock = clock
        self._answers = self._extras.around_dispatch(self._dispatch)

    async def run(self, incoming: IncomingRequest, context: CallContext) -> Answer:
        """Return the whole answer, or the canned reply; raises GatewayError."""
        async with aclosing(self._live(incoming, context, Delivery.WHOLE)) as events:
            answers = [event async for event in events if isinstance(event, Answer)]
        return answers[0]

    def stream(
        self, incoming: IncomingRequest, context: CallContext, *, delivery: Delivery = Delivery.PIECES
    ) -> AsyncGenerator[Decision | StreamEvent, None]:
        """Yield the decision, then the answer as it is made; only an Answer ends it well."""
        return self._live(incoming, context, delivery)

    async def explain(self, incoming: IncomingRequest, context: CallContext) -> Decision:
        """Return the decision, and go no further; raises GatewayError."""
        async with aclosing(self._live(incoming, context, Delivery.WHOLE)) as events:
            async for event in events:
                if isinstance(event, Decision):
                    return event
        raise RuntimeError("a request that was not decided raises")

    async def count_tokens(self, incoming: IncomingRequest, context: CallContext) -> TokenCount:
        """Say how long a prompt is for the named model, or the first of the chain; raises GatewayError."""
        async with self._admitted(incoming, context):
            async with self._time_to_decide(context.deadline):
                request = await self._check(incoming, context)
                model = self.policy.names.model(request.model)
                if not model:
                    decision = await self.decide(request, context.deadline)
                    model = next(iter(decision.chain), "")
            spec, until = self.policy.models.get(model), before_reply(context.deadline)
            counts = self._dispatcher.token_counts
            exact = None if spec is None else await counts.of(request, model, spec, until)
        tokens = estimate_prompt_tokens(request) if exact is None else exact
        return TokenCount(prompt_tokens=tokens, model=model, is_estimate=exact is None)

    async def _live(
        self, incoming: IncomingRequest, context: CallContext, delivery: Delivery
    ) -> AsyncGenerator[Decision | StreamEvent, None]:
        """Admit, check, decide, ask the shadow, dispatch, offer to people, mirror; and always conclude."""
        deadline, attempt_log = context.deadline, context.attempt_log
        summary = CallSummary()
        try:
            async with self._admitted(incoming, context):
                async with self._time_to_decide(deadline):
                    began_s = attempt_log.elapsed_s
                    request = await self._check(incoming, context)
                    turn = await self._extras.sessions.begin(request, self.policy)
                    request = turn.with_key(request)
                    entities = await self._find_entities(request, deadline)
                    decision = await self._decide(request, entities, deadline, turn.state)
                    summary.policy, summary.decision = self.policy, decision
                    summary.decision_s = attempt_log.elapsed_s - began_s
                    check_in_route(decision, request, self.policy)
                    summary.shadow = await self._shadow(request, entities, decision, deadline)
                yield decision
                turn = await self._extras.sessions.note_decision(turn, request, decision, self.policy)
                async with aclosing(self._answers(request, decision, context, delivery)) as events:
                    async for event in events:
                        if isinstance(event, Delta) and summary.first_text_s is None:
                            summary.first_text_s = attempt_log.elapsed_s
                        elif isinstance(event, Answer):
                            event = await self._offer_to_people(request, event, deadline)
                            await self._extras.sessions.note_answer(turn, request, event, self.policy)
                            summary.answer = event
                        yield event
                summary.afterwards = self._mirror(request, summary.answer)
        finally:
            context.conclude(summary)

    def deadline(self, due: Deadline | None) -> Deadline:
        """Return the deadline of a call whose caller gives up when it is `due`; None: the caller set none."""
        bounds = self.policy.resilience.deadline_s
        if due is None:
            return Deadline.after(bounds.default, self._clock)
        return due.at_most(bounds.max, self._clock)

    async def decide(self, request: Request, deadline: Deadline) -> Decision:
        """Score the request and say where it may go; spends nothing, calls no model but that of entities."""
        return await self._decide(request, await self._find_entities(request, deadline), deadline)

    async def generate_background(
        self,
        request: Request,
        decision: Decision,
        *,
        policy: Policy,
        deadline: Deadline,
        attempt_log: AttemptLog,
    ) -> Answer:
        """Answer what no caller waits for, under another policy's budgets and number of tries."""
        return await self._dispatcher.generate_background(
            request, decision, policy=policy, deadline=deadline, attempt_log=attempt_log
        )

    async def has_demand(self, model: str, *, own: int) -> bool:
        """Say whether callers want a model that has `own` requests of the asker; raises BackendError."""
        return await self._dispatcher.has_demand(model, own=own)

    async def fetch_handoff(self, ticket_id: str, context: CallContext) -> Fetched:
        """Return a ticket of the tenant; raises TicketUnknown, HandoffUnavailable, RateLimited and more."""
        self._pass_gates(context.tenant, prompt_tokens=0)
        if self._extras.handoffs is None:
            raise TicketUnknown("the tenant has no ticket with this id, or it has expired")
        try:
            async with asyncio.timeout(seconds_left(context.deadline, self._clock)) as limit:
                return await self._extras.handoffs.fetch(ticket_id, tenant=context.tenant)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed before the ticket was read") from None

    async def end_session(self, session_id: str, context: CallContext) -> bool:
        """Forget a conversation of the tenant, and say whether it was known; raises SessionsUnavailable."""
        self._pass_gates(context.tenant, prompt_tokens=0)
        was_known = await self._extras.sessions.end(context.tenant, session_id)
        self._extras.session_ended(session_id, context, was_known=was_known)
        return was_known

    def take_feedback(self, feedback: Feedback) -> float:
        """Take down how good an answer was, and return when; nobody is told whether there was one."""
        if self._extras.take_feedback is None:
            raise RecordsOff("this gateway keeps no records to join it to: gateway serve --decisions FILE")
        self._pass_gates(feedback.tenant, prompt_tokens=0)
        return self._extras.take_feedback(feedback, self.policy)

    def check_rates(self, tenant: str) -> None:
        """Raise RateLimited for a tenant that has had its minute's worth, before its bytes are read."""
        if self._extras.rates is not None:
            self._extras.rates.check(tenant, self.policy)

    def pass_rates(self, tenant: str, *, prompt_tokens: int = 0) -> None:
        """Count a request of a tenant, also one that no model answers; raises RateLimited."""
        if self._extras.rates is not None:
            self._extras.rates.gate(tenant, prompt_tokens, self.policy)

    def _pass_gates(self, tenant: str, *, prompt_tokens: int) -> None:
        self.pass_rates(tenant, prompt_tokens=prompt_tokens)
        for gate in self._extras.gates:
            gate(tenant, prompt_tokens, self.policy)

    @asynccontextmanager
    async def _admitted(self, incoming: IncomingRequest, context: CallContext) -> AsyncIterator[None]:
        """Hold a slot among the requests that are worked on; raises before any work is done for one."""
        self._pass_gates(context.tenant, prompt_tokens=incoming.prompt_tokens)
        slot = self._dispatcher.slot(context.tenant, policy=self.policy, deadline=context.deadline)
        async with slot as has_waited:
            if has_waited:
                # Many slots may become free in the same moment, and many calls would go on.
                await context.take_turn()
            yield

    @asynccontextmanager
    async def _time_to_decide(self, deadline: Deadline) -> AsyncIterator[None]:
        """Stop the block while there is still time to reply; raises DeadlinePassed."""
        try:
            async with asyncio.timeout(before_reply(deadline).remaining_s(self._clock)) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlinePassed("the deadline passed before the request was scored") from None

    async def _check(self, incoming: IncomingRequest, context: CallContext) -> Request:
        checked = await self._assessor.check(context.tenant, incoming.parse(), context.deadline)
        request = replace(checked, key_name=context.key_name) if context.key_name else checked
        check_model_name(request, self.policy)
        return with_space(request, self.policy)

    async def _find_entities(self, request: Request, deadline: Deadline) -> Entities:
        lookups = self._extras.entities
        return await ask_all(lookups, request, deadline) if lookups else Entities()

    async def _decide(
        self, request: Request, entities: Entities, deadline: Deadline, session: SessionState = NEW_SESSION
    ) -> Decision:
        routing_input = await self._assessor.assess(request, deadline, entities)
        state = await self._state(request, deadline, session)
        limits = self._decider.limits(routing_input, state)
        finish_s = self._dispatcher.forecasts.finish_s(
            request, limits, policy=self.policy, prompt_tokens=routing_input.prompt_tokens
        )
        return self._decider.decide(routing_input, replace(state, finish_s=finish_s))

    @property
    def lacking(self) -> Mapping[str, frozenset[Capability]]:
        """What local models turned out not to have, as far as this process knows."""
        return self._dispatcher.forecasts.lacking()

    async def _state(self, request: Request, deadline: Deadline, session: SessionState) -> RoutingState:
        """Return the state without forecasts of the request: a rule may make the answer shorter."""
        self._dispatcher.forecasts.refresh()
        unix_s = self._clock.unix_s()
        accounts = accounts_of(self.policy, request, unix_s=unix_s)
        spent = await self._budgets.spent_and_limits(accounts)
        budget, budget_plan = score_accounts(accounts, spent, unix_s=unix_s)
        return RoutingState(
            deadline_s=deadline.remaining_s(self._clock),
            idle=self._dispatcher.forecasts.idle(),
            lacking=self.lacking,
            budget=budget,
            budget_plan=budget_plan,
            session=session,
        )

    async def _shadow(
        self, request: Request, entities: Entities, decision: Decision, deadline: Deadline
    ) -> ShadowDecision | None:
        if self._extras.shadow is None:
            return None
        return await self._extras.shadow.decide(request, entities, decision, deadline)

    def _dispatch(
        self, request: Request, decision: Decision, context: CallContext, delivery: Delivery
    ) -> AsyncGenerator[StreamEvent, None]:
        if delivery.is_streamed and self.policy.resilience.recovery == "buffer":
            return buffered(self._dispatch(request, decision, context, Delivery.WHOLE))
        return self._dispatcher.stream(
            request,
            decision,
            policy=self.policy,
            deadline=context.deadline,
            attempt_log=context.attempt_log,
            privacy_check=partial(self._assessor.check_privacy, deadline=context.deadline),
            delivery=delivery,
        )

    async def _offer_to_people(self, request: Request, answer: Answer, deadline: Deadline) -> Answer:
        """Return the answer; a canned one only when a person has the request, if the policy wants that."""
        section, handoffs = self.policy.handoff, self._extras.handoffs
        if section is None or handoffs is None or answer.degraded is None:
            return answer
        return await handoffs.offer(request, answer, section=section, deadline=deadline)

    def _mirror(self, request: Request, answer: Answer | None) -> Callable[[], None] | None:
        mirror = self._extras.mirror
        if mirror is None or answer is None or self.policy.mirror is None:
            return None
        return mirror.drawn(request, answer, self.policy)
