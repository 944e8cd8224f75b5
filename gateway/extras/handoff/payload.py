"""What is sealed: a request as a person reads it, and the answer of the person."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.types import Message, Request, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffQuestion:
    """What a person has to answer."""

    messages: tuple[Message, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    languages: Sequence[str] = ()
    """What the caller reads, the dearest first."""

    @classmethod
    def of(cls, request: Request) -> "HandoffQuestion":
        """Return what is kept of a request."""
        return cls(messages=request.messages, labels=request.labels, languages=request.languages)

    def to_json(self) -> str:
        """Return it as text."""
        turns = [{"role": message.role, "content": message.content} for message in self.messages]
        return json.dumps(
            {"messages": turns, "labels": dict(self.labels), "languages": list(self.languages)},
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> "HandoffQuestion":
        """Return what `to_json` wrote."""
        told = json.loads(text)
        return cls(
            messages=tuple(
                Message(role=Role(turn["role"]), content=turn["content"]) for turn in told["messages"]
            ),
            labels=told["labels"],
            languages=tuple(told["languages"]),
        )


def size_bytes(request: Request) -> int:
    """Return how much text of a request would be kept."""
    return sum(len(message.content.encode()) for message in request.messages)


def request_bond(ticket_id: str, tenant: str) -> str:
    """Return what a sealed request is bound to."""
    return f"request {ticket_id} {tenant}"


def answer_bond(ticket_id: str, tenant: str) -> str:
    """Return what a sealed answer is bound to."""
    return f"answer {ticket_id} {tenant}"
