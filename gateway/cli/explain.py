"""`gateway explain`: how a text would be scored and routed, in this process."""

import sys

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.options import (
    Json,
    Labels,
    PolicyFile,
    PrivacyClassName,
    SystemText,
    Text,
    read_labels,
    read_text,
)
from gateway.cli.render import FINDING_COLUMNS, decision_rows, finding_rows, to_json
from gateway.cli.terminal import names_and_values, show, table
from gateway.client.prompt import prompt
from gateway.clock import Clock, SystemClock
from gateway.complexity.complexity import score_complexity
from gateway.errors import InvalidRequest
from gateway.ledger.money import nanos_of_usd
from gateway.ledger.score import score_budget
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.policy.model import Policy, PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.privacy.masking.masker import Masker
from gateway.routing import RoutingState, decide
from gateway.server.grpc.render import render_explanation
from gateway.server.grpc.wire import parse_request
from gateway.types import Decision, PrivacyClass, Request, Scores


def explain(
    text: Text = None,
    *,
    as_json: Json = False,
    policy: PolicyFile = None,
    system: SystemText = None,
    privacy_class: PrivacyClassName = None,
    label: Labels = None,
) -> None:
    """Show how a text would be scored and routed; no server needed.

    Findings are shown by type and place, never by their text. The budget is one of which nothing is spent.

    Example: gateway explain --policy policies/default.yaml "Mail jane@example.com the minutes"
    """
    checked = load_policy(policy or default_policy_path())
    warn_of_entities(checked.privacy)
    message = prompt(
        read_text(text),
        system=system,
        privacy_class=PrivacyClass[privacy_class.upper()] if privacy_class else None,
        labels=read_labels(label),
    )
    try:
        request = parse_request(message, tenant="default", new_id="explain")
    except InvalidRequest as error:
        raise CommandFailed(str(error), status=MISUSED) from None
    explanation = render_explanation(decide_unspent(request, checked, clock=SystemClock()))
    if as_json:
        print(to_json(explanation))
        return
    parts = [names_and_values(decision_rows(explanation.decision))]
    if explanation.findings:
        parts.append(table(FINDING_COLUMNS, finding_rows(explanation.findings)))
    show(*parts, stream=sys.stdout)


def warn_of_entities(privacy: PrivacyPolicy) -> None:
    """Say on standard error where a server would find more: whoever finds entities runs only there."""
    if privacy.entities:
        print("gateway: privacy.entities is asked by a server only; this is without it", file=sys.stderr)


def decide_unspent(request: Request, policy: Policy, *, clock: Clock) -> Decision:
    """Return what a gateway that has spent nothing would decide."""
    privacy = PrivacyScorer(policy.privacy, clock=clock).score(request)
    scores = Scores(
        complexity=score_complexity(request.messages, policy.scorer),
        privacy=privacy.score,
        budget=_budget_unspent(policy),
    )
    view = RoutingState(deadline_s=policy.resilience.deadline_s.default)
    masked = Masker(policy, clock=clock).masked(request, privacy)
    return decide(request, scores=scores, privacy=privacy, policy=policy, view=view, masked=masked)


def _budget_unspent(policy: Policy) -> float:
    """Return the budget score before the first request: 1.0 where a limit is 0 and a model has a price."""
    if not any(spec.price for spec in policy.models.values()):
        return 0.0
    return score_budget(
        (0, nanos_of_usd(budget.limit_usd if budget.soft_limit_usd is None else budget.soft_limit_usd))
        for budget in policy.budgets
    )
