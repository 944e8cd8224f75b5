"""Content of a hand-off before encryption: the request for a person."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.conversation import Message, Role
from gateway.domain.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffQuestion:
    """The request that a person answers."""

    messages: tuple[Message, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    languages: Sequence[str] = ()
    """Languages of the caller, the preferred one first."""

    @classmethod
    def of(cls, request: Request) -> "HandoffQuestion":
        """Return the parts of a request that a person needs."""
        return cls(messages=request.messages, labels=request.labels, languages=request.languages)

    def to_json(self) -> str:
        """Return the question as JSON."""
        messages = [{"role": message.role, "content": message.content} for message in self.messages]
        return json.dumps(
            {"messages": messages, "labels": dict(self.labels), "languages": list(self.languages)},
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> "HandoffQuestion":
        """Return the question that `to_json` wrote."""
        fields = json.loads(text)
        return cls(
            messages=tuple(
                Message(role=Role(message["role"]), content=message["content"])
                for message in fields["messages"]
            ),
            labels=fields["labels"],
            languages=tuple(fields["languages"]),
        )


def size_bytes(request: Request) -> int:
    """Return the size of the texts of a request in bytes."""
    return sum(len(message.content.encode()) for message in request.messages)


def request_associated_data(ticket_id: str, tenant: str) -> str:
    """Return the associated data of an encrypted request."""
    return f"request {ticket_id} {tenant}"


def answer_associated_data(ticket_id: str, tenant: str) -> str:
    """Return the associated data of an encrypted answer."""
    return f"answer {ticket_id} {tenant}"
