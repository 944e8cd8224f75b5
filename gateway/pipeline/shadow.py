"""A second policy that decides every request and does nothing: what `gateway serve --shadow FILE` watches."""

from dataclasses import replace

from gateway.clock import Deadline
from gateway.complexity.complexity import complexity_of
from gateway.pipeline.assess import PolicyAssessor
from gateway.policy.model import Policy
from gateway.routing import choose
from gateway.types import Decision, Request, ShadowDecision


class Shadow:
    """Judges and routes by its own policy, on the budgets and speeds of the one that acts."""

    def __init__(self, policy: Policy, *, assessor: PolicyAssessor) -> None:
        self.policy = policy
        self._assessor = assessor

    async def decide(self, request: Request, decision: Decision, deadline: Deadline) -> ShadowDecision | None:
        """Return what it would have decided where `decision` was taken."""
        if decision.case is None:
            return None
        _, privacy, masked = await self._assessor.assess(request, deadline)
        facts = replace(
            decision.case.facts,
            complexity=complexity_of(decision.case.features, self.policy.scorer),
            privacy=privacy.score,
            privacy_class=privacy.privacy_class,
            findings=tuple(sorted({finding.type for finding in privacy.findings})),
        )
        case = replace(
            decision.case,
            facts=facts,
            masked_classes={name: mask.privacy_class for name, mask in masked.items()},
            evidence=privacy.evidence,
        )
        choice = choose(case, self.policy)
        return ShadowDecision(
            policy_hash=self.policy.hash,
            privacy_class=privacy.privacy_class,
            rule=choice.rule,
            chain=choice.chain,
            differs=choice.chain != decision.chain,
        )
