"""A second policy that decides every request and does nothing: what `gateway serve --shadow FILE` watches."""

from dataclasses import replace

import structlog

from gateway.clock import Clock, Deadline
from gateway.dispatch.dispatcher import before_reply
from gateway.domain.decision import Decision, ShadowDecision
from gateway.domain.privacy import Entities
from gateway.domain.request import Request
from gateway.errors import DeadlinePassed, Overloaded
from gateway.pipeline.assess import PolicyAssessor
from gateway.policy.model import Policy
from gateway.routing import Decider

TIME_SHARE = 0.1
"""The part of a request's time that it may take at most; the rest is for the caller's answer."""
_log = structlog.get_logger()


class Shadow:
    """Scores and routes by its own policy, on the entities, budgets and speeds of the one that acts."""

    def __init__(self, policy: Policy, *, assessor: PolicyAssessor, clock: Clock) -> None:
        self.policy = policy
        self._assessor = assessor
        self._clock = clock
        self._decider = Decider(policy)

    async def decide(
        self, request: Request, entities: Entities, decision: Decision, deadline: Deadline
    ) -> ShadowDecision | None:
        """Return what it would have decided where `decision` was taken; `entities` are those found then.

        None where there is no room or time for it: a policy that only watches refuses nobody.
        """
        if decision.state is None:
            return None
        share_s = TIME_SHARE * before_reply(deadline).remaining_s(self._clock)
        try:
            assessed = await self._assessor.assess(request, deadline.at_most(share_s, self._clock), entities)
        except (Overloaded, DeadlinePassed) as error:
            _log.info("shadow.skipped", request_id=request.request_id, reason=str(error.reason))
            return None
        # Without texts it gets no permits: whoever only watches lets nothing leave.
        own = self._decider.decide(replace(assessed, texts=None), decision.state)
        return ShadowDecision(
            policy_hash=own.policy_hash,
            privacy_class=own.privacy_class,
            rule=own.rule,
            chain=own.chain,
            differs=own.chain != decision.chain,
        )
