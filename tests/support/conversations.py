"""Conversations whose turns have given classes, decided as the pipeline decides them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.domain.answer import Answer, FinishReason, Route
from gateway.domain.conversation import Message, Role
from gateway.domain.decision import Decision, Masked, RequestTexts, RoutingInput, RoutingState
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.domain.signals import signals_of
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.routing import Decider
from gateway.sessions.sessions import Sessions

YAML = """\
version: 1
models:
  edge:    {kind: llama_cpp, path: "builtin:demo", clearance: restricted}
  masking: {kind: openai, model: a, clearance: internal, mask: [EMAIL],
            price_per_million_usd: {input: 1, output: 1}}
  cloud:   {kind: openai, model: b, clearance: public, price_per_million_usd: {input: 1, output: 1}}
rules:
  - {name: hard, when: 'complexity >= 0.5', route: [cloud, masking, edge]}
  - {name: default, route: [edge, masking, cloud]}
replies: [{id: sorry, text: x}]
"""
POLICY = parse_policy(YAML, name="p")


def answer_text(number: int) -> str:
    """Return an answer that no other conversation has."""
    return f"This is answer number {number}, and no other answer is like it."


@dataclass(kw_only=True)
class Conversation:
    """What one client and the gateway said to each other."""

    tenant: str = "acme"
    session_id: str = ""
    messages: list[Message] = field(default_factory=list)

    def request(self, text: str, *, kept: Sequence[int] | None = None) -> Request:
        """Return the next request; `kept` are the indexes of the messages that the client still sends."""
        past = self.messages if kept is None else [self.messages[at] for at in kept]
        messages = (*past, Message(role=Role.USER, content=text))
        return Request(request_id="r", tenant=self.tenant, session_id=self.session_id, messages=messages)


async def turn(
    sessions: Sessions,
    request: Request,
    *,
    class_: PrivacyClass = PrivacyClass.PUBLIC,
    masked: PrivacyClass | None = None,
    complexity: float = 0.0,
    answer: Message | None = None,
    policy: Policy = POLICY,
) -> Decision:
    """Decide a turn of a class; `masked` is the class of what a mask leaves. Without `answer` it fails."""
    begun = await sessions.begin(request, policy)
    masks = {}
    if masked is not None:
        masks["masking"] = Masked(request=request, privacy_class=masked, values={"m": "v"}, counts={})
    routing_input = RoutingInput(
        complexity=complexity,
        privacy=0.0,
        privacy_class=class_,
        privacy_reason="score",
        findings=(),
        tenant=request.tenant,
        labels={},
        prompt_tokens=1,
        masked_classes={name: mask.privacy_class for name, mask in masks.items()},
        signals=signals_of(request),
        texts=RequestTexts(request=request, masked=masks, findings=()),
    )
    decision = Decider(policy).decide(routing_input, RoutingState(deadline_s=60.0, session=begun.state))
    await sessions.note_decision(begun, request, decision, policy)
    if answer is not None and decision.chain:
        await sessions.note_answer(begun, request, answer_of(decision, answer, FinishReason.STOP), policy)
    return decision


def answer_of(decision: Decision, message: Message, finish_reason: FinishReason) -> Answer:
    """Return the answer of the first model of a chain, as sessions note it."""
    return Answer(
        decision=decision,
        message=message,
        finish_reason=finish_reason,
        usage=None,
        route=Route.LOCAL,
        model=decision.chain[0],
        degraded=None,
        cost_usd_nanos=0,
        attempts=(),
    )


def said(number: int) -> Message:
    """Return an answer of a model."""
    return Message(role=Role.ASSISTANT, content=answer_text(number))
