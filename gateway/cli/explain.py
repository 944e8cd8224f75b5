"""`gateway explain`: scores and routes a text in this process."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.options import (
    Json,
    Labels,
    ModelName,
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
from gateway.domain.decision import Decision, RoutingState
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import EmbeddingConfig, Request
from gateway.errors import InvalidRequest, NotInRoute
from gateway.ledger.accounts import accounts_of
from gateway.ledger.score import score_accounts
from gateway.pipeline.assessor import Assessor
from gateway.pipeline.model_name import check_in_route, check_model_name, with_space
from gateway.policy.loading.load import default_policy_path, load_policy
from gateway.policy.model import Policy, PrivacyPolicy
from gateway.routing import Decider
from gateway.server.grpc.render import render_explanation
from gateway.server.grpc.wire import parse_request


def explain(
    text: Text = None,
    *,
    as_json: Json = False,
    policy: PolicyFile = None,
    system: SystemText = None,
    privacy_class: PrivacyClassName = None,
    label: Labels = None,
    model: ModelName = "",
    embedding: Annotated[
        bool, typer.Option("--embedding", help="Ask for the vector of the text, not for an answer.")
    ] = False,
) -> None:
    """Show how a text would be scored and routed; no server needed.

    Findings are shown by type and position, never by their text. The budget counts as unspent.

    Example: gateway explain --policy policies/default.yaml "Mail jane@example.com the minutes"
    """
    checked = load_policy(policy or default_policy_path())
    warn_of_entities(checked.privacy)
    message = prompt(
        read_text(text),
        system=system,
        privacy_class=PrivacyClass[privacy_class.upper()] if privacy_class else None,
        labels=read_labels(label),
        model=model,
    )
    try:
        request = parse_request(message, tenant="default", new_id="explain")
        if embedding:
            request = replace(request, embedding=EmbeddingConfig())
        check_model_name(request, checked)
        request = with_space(request, checked)
        decision = decide_unspent(request, checked, clock=SystemClock())
        check_in_route(decision, request, checked)
    except (InvalidRequest, NotInRoute) as error:
        raise CommandFailed(str(error), status=MISUSED) from None
    explanation = render_explanation(decision)
    if as_json:
        print(to_json(explanation))
        return
    parts = [names_and_values(decision_rows(explanation.decision))]
    if explanation.findings:
        parts.append(table(FINDING_COLUMNS, finding_rows(explanation.findings)))
    show(*parts, stream=sys.stdout)


def warn_of_entities(privacy: PrivacyPolicy) -> None:
    """Warn on standard error if a server would find more: entity recognisers run only there."""
    if privacy.entities:
        print("gateway: only a server runs privacy.entities; this result is without it", file=sys.stderr)


def decide_unspent(request: Request, policy: Policy, *, clock: Clock) -> Decision:
    """Return the decision of a gateway that has spent nothing and has no request in flight."""
    return Decider(policy).decide(
        Assessor(policy, clock=clock).assess(request), unspent(request, policy, unix_s=clock.unix_s())
    )


def unspent(request: Request, policy: Policy, *, unix_s: float) -> RoutingState:
    """Return the routing state before the first request; a limit of 0 counts as used up."""
    accounts = accounts_of(policy, request, unix_s=unix_s)
    spent = [(0, account.scored_limit_usd_nanos) for account in accounts]
    budget, budget_plan = score_accounts(accounts, spent, unix_s=unix_s)
    return RoutingState(
        deadline_s=policy.resilience.deadline_s.default, budget=budget, budget_plan=budget_plan
    )
