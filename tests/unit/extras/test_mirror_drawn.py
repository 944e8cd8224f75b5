"""Who is drawn for a second answer, and what it may use; without a gateway."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.answer import Answer, Degraded, FinishReason, Outcome, Route
from gateway.domain.conversation import Image, Message, Role, Tool
from gateway.domain.decision import Decision, Reason
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import GenerationConfig, Request
from gateway.extras.mirror.selection import capped, draw
from gateway.policy.loading.load import parse_policy
from gateway.policy.mirror import CAP
from gateway.routing import restrict_to
from tests.support.mirror_values import (
    EVERY,
    FINE,
    PARSED,
    REQUEST,
    attempt,
    check_no_leave_above_its_clearance,
    check_who_is_never_drawn,
    decision_of,
)
from tests.support.policies import POLICY


def answered(decision: Decision, **fields: Any) -> Answer:
    """Return the edge's answer to a request that was decided so."""
    return replace(FINE, decision=decision, **fields)


def test_the_other_side_is_the_first_of_the_chain_that_is() -> None:
    """From the edge to the cloud and back; another model of the same side is no other side."""
    local = draw(REQUEST, FINE, PARSED)
    assert local is not None
    assert (local.second, local.weak_model, local.strong_model) == ("cloud", "edge", "cloud")
    cloud = draw(REQUEST, answered(decision_of(team="x"), route=Route.CLOUD, model="cloud"), PARSED)
    assert cloud is not None
    assert (cloud.second, cloud.weak_model, cloud.strong_model) == ("edge", "edge", "cloud")
    assert cloud.texts(replace(FINE, message=Message(role=Role.ASSISTANT, content="7"))) == ("7", "42")


UNSURE = attempt(outcome=Outcome.FAILED, reason=Reason.LOW_CONFIDENCE)
OPEN = attempt("cloud", Outcome.REFUSED, reason=Reason.BREAKER_OPEN)
DEAD = attempt("backup", Outcome.FAILED, reason=Reason.ENGINE_DOWN)


@pytest.mark.parametrize(
    ("answer", "is_drawn"),
    [
        (replace(FINE, finish_reason=FinishReason.STOP_SEQUENCE), True),
        (replace(FINE, attempts=(UNSURE, attempt())), True),
        (replace(FINE, attempts=(OPEN, attempt())), True),
        (replace(FINE, attempts=(attempt("cloud", Outcome.CANCELLED), attempt())), True),
        (replace(FINE, finish_reason=FinishReason.LENGTH), False),
        (replace(FINE, finish_reason=FinishReason.CONTENT_FILTER), False),
        (replace(FINE, attempts=(attempt(continued=True),)), False),
        (replace(FINE, attempts=(DEAD, attempt())), False),
        (replace(FINE, attempts=(), cached_age_s=0.0), False),
        (
            replace(
                FINE, route=Route.CANNED, model="", finish_reason=None,
                degraded=Degraded(reason=Reason.ALL_FAILED, canned_id="sorry"),
            ),
            False,
        ),
    ],
)  # fmt: skip
def test_only_a_whole_answer_of_one_side_is_drawn(answer: Answer, is_drawn: bool) -> None:
    """Not one that was cut, filtered, canned or made by two; nor where an engine died, of it perhaps."""
    assert (draw(REQUEST, answer, PARSED) is not None) == is_drawn


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, config=GenerationConfig(tools=(Tool(name="look"),))),
        replace(
            REQUEST,
            messages=(
                *REQUEST.messages,
                Message(role=Role.USER, parts=(Image(url="https://example.org/a"),)),
            ),
        ),
    ],
    ids=["tools", "image"],
)
def test_a_conversation_with_tools_or_images_is_not_drawn(request_: Request) -> None:
    """Only texts can be compared."""
    assert draw(request_, FINE, PARSED) is None


def test_one_model_of_the_chain_keeps_its_permit_and_no_other_one_may_be_asked() -> None:
    """What routing did not let into the chain is not let in afterwards."""
    decision = decision_of()
    assert restrict_to(decision, "cloud").permits == {"cloud": decision.permits["cloud"]}
    assert restrict_to(decision, "edge").permits == {}
    with pytest.raises(ValueError, match="only a model of the chain"):
        restrict_to(decision_of(PrivacyClass.CONFIDENTIAL), "cloud")


def test_second_answers_have_a_purse_of_their_own() -> None:
    """No tenant and no label pays for it; caps on a model and on all spend stay. The hash is the same."""
    scopes = ("per: tenant", "per: label, label: team", "per: model", "per: all")
    budgets = [f"  - {{name: b{n}, {each}, limit_usd: 1, window: day}}\n" for n, each in enumerate(scopes)]
    text = f"{EVERY}budgets:\n{''.join(budgets)}"
    assert [each.name for each in capped(parse_policy(text, name="p")).budgets] == ["b2", "b3", CAP]
    cap = capped(PARSED).budgets[-1]
    assert (cap.name, cap.per, cap.limit_usd, cap.window) == (CAP, "all", Decimal(1), "day")
    assert (capped(PARSED).hash, capped(PARSED).resilience.attempts) == (PARSED.hash, 1)
    plain = parse_policy(POLICY, name="p")
    assert capped(plain) is plain


def test_who_is_never_drawn() -> None:
    """Another class, a caller who bounds its cost, another policy, a chain with one side, no section."""
    check_who_is_never_drawn()


def test_no_leave_for_a_judge_above_its_clearance() -> None:
    """The law is that of any request; and what another policy decided is no leave under this one."""
    check_no_leave_above_its_clearance()
