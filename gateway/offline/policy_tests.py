"""Runs the tests of a policy: scores and routes each prompt in this process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from gateway.complexity.complexity import complexity_of
from gateway.domain.conversation import (
    Image,
    Message,
    ReasoningConfig,
    ReasoningEffort,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from gateway.domain.decision import Decision, RoutingState
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import EmbeddingConfig, GenerationConfig, Hints, Request
from gateway.domain.session import SessionState
from gateway.offline.batch import StillClock
from gateway.pipeline.assessor import Assessor
from gateway.policy.model import Policy, privacy_class
from gateway.policy.policy_tests import GivenTool, GivenTurn, PolicyTest
from gateway.routing import Decider

_PICTURE: Final = b"\x89PNG"
"""Stands for any image: none is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of one test; it passes when there are no problems."""

    index: int
    line: int
    problems: tuple[str, ...]
    decision: Decision


def run_tests(policy: Policy) -> Iterator[Verdict]:
    """Yield the result of each test, in order; without time limits of detectors, so all machines agree."""
    assessor, decider = Assessor(policy, clock=StillClock()), Decider(policy)
    for index, test in enumerate(policy.tests):
        decision = _decided(test, policy, assessor, decider)
        yield Verdict(
            index=index,
            line=policy.source.lines.get(("tests", index), 1),
            problems=tuple(_problems(test, decision)),
            decision=decision,
        )


def _decided(test: PolicyTest, policy: Policy, assessor: Assessor, decider: Decider) -> Decision:
    state = test.state
    assessed = assessor.assess(_request(test))
    if given := state.signals.named():
        assessed = replace(assessed, signals=replace(assessed.signals, **given))  # type: ignore[arg-type]  # By name.
        assessed = replace(
            assessed, complexity=complexity_of(assessed.features, policy.scorer, assessed.signals)
        )
    if state.complexity is not None:
        assessed = replace(assessed, complexity=state.complexity)
    now = RoutingState(
        deadline_s=state.deadline_s or policy.resilience.deadline_s.default,
        budget=state.budget,
        budget_plan=state.budget_plan,
        session=SessionState(
            privacy_class=privacy_class(state.session_class or "public"),
            model=state.session_model or "",
            complexity=assessed.complexity if state.session_model else 0.0,
        ),
    )
    return decider.decide(assessed, now)


def _request(test: PolicyTest) -> Request:
    hint, effort = test.hints.privacy_class, None if test.effort is None else ReasoningEffort(test.effort)
    pictures = (Image(data=_PICTURE, media_type="image/png"),) * test.images
    prompt = (
        Message(role=Role.USER, parts=(Text(test.prompt), *pictures))
        if pictures
        else Message(role=Role.USER, content=test.prompt)
    )
    turns = (each for index, turn in enumerate(test.turns) for each in _messages(turn, f"call_{index}"))
    return Request(
        request_id="test",
        tenant=test.state.tenant,
        key_name=test.state.key or "",
        messages=(*turns, prompt) if test.prompt else tuple(turns),
        config=GenerationConfig(
            tools=tuple(_tool(each) for each in test.tools), reasoning=ReasoningConfig(effort=effort)
        ),
        hints=Hints(privacy_class=None if hint is None else PrivacyClass[hint.upper()]),
        labels=test.labels,
        model=test.model,
        embedding=EmbeddingConfig() if test.embedding else None,
    )


def _messages(turn: GivenTurn, call_id: str) -> tuple[Message, ...]:
    role = Role(turn.role)
    if role is not Role.TOOL:
        return (Message(role=role, content=turn.content),)
    call = ToolCall(id=call_id, name=turn.tool, arguments_json=json.dumps(turn.arguments))
    result = ToolResult(tool_call_id=call_id, parts=(Text(turn.content),), is_error=turn.is_error)
    return Message(role=Role.ASSISTANT, parts=(call,)), Message(role=role, parts=(result,))


def _tool(given: GivenTool) -> Tool:
    schema = json.dumps(given.parameters) if given.parameters else ""
    return Tool(name=given.name, description=given.description, parameters_json_schema=schema)


def _problems(test: PolicyTest, decision: Decision) -> Iterator[str]:
    expect = test.expect
    class_ = decision.privacy_class.name.lower()
    if expect.privacy_class is not None and expect.privacy_class != class_:
        yield f"class is {class_} ({decision.privacy_reason}), expected {expect.privacy_class}"
    if expect.rule is not None and expect.rule != decision.rule:
        yield f"rule is {decision.rule}, expected {expect.rule}"
    first = decision.chain[0] if decision.chain else "none"
    if not decision.is_in_route:
        which = "the model that is asked for" if test.model else "a model that the key may use"
        first += f" (the rule {decision.rule} does not route to {which})"
    if expect.first is not None and expect.first != first:
        yield f"first model is {first}, expected {expect.first}"
    if expect.route is not None and expect.route != decision.chain:
        yield f"route is [{', '.join(decision.chain)}], expected [{', '.join(expect.route)}]"
    signals = decision.signals.values()
    for name, value in expect.signals.named().items():
        if signals[name] != value:
            yield f"{name} is {_cel(signals[name])}, expected {_cel(value)}"
    for name in expect.never:
        if name in decision.chain:
            yield f"{name} may be reached, expected never"


def _cel(value: int | bool | str) -> str:
    """Return a signal as a rule would write it."""
    return json.dumps(value)
