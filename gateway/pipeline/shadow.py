"""A second policy that decides every request and does nothing: what `gateway serve --shadow FILE` watches."""

from dataclasses import replace

from gateway.clock import Deadline
from gateway.domain.decision import Decision, ShadowDecision
from gateway.domain.privacy import Entities
from gateway.domain.request import Request
from gateway.pipeline.assess import PolicyAssessor
from gateway.policy.model import Policy
from gateway.routing import Decider


class Shadow:
    """Scores and routes by its own policy, on the entities, budgets and speeds of the one that acts."""

    def __init__(self, policy: Policy, *, assessor: PolicyAssessor) -> None:
        self.policy = policy
        self._assessor = assessor
        self._decider = Decider(policy)

    async def decide(
        self, request: Request, entities: Entities, decision: Decision, deadline: Deadline
    ) -> ShadowDecision | None:
        """Return what it would have decided where `decision` was taken; `entities` are those found then."""
        if decision.state is None:
            return None
        assessed = await self._assessor.assess(request, deadline, entities)
        # Without texts it gets no permits: whoever only watches lets nothing leave.
        own = self._decider.decide(replace(assessed, texts=None), decision.state)
        return ShadowDecision(
            policy_hash=own.policy_hash,
            privacy_class=own.privacy_class,
            rule=own.rule,
            chain=own.chain,
            differs=own.chain != decision.chain,
        )
