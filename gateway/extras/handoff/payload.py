"""Content of a hand-off before encryption: the request for a person."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.conversation import (
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.domain.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffQuestion:
    """The request that a person answers."""

    messages: tuple[Message, ...]
    """Of text alone; calls, results and files are described in it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    languages: Sequence[str] = ()
    """Languages of the caller, the preferred one first."""

    @classmethod
    def of(cls, request: Request) -> "HandoffQuestion":
        """Return the parts of a request that a person needs."""
        messages = tuple(Message(role=each.role, content=described(each)) for each in request.messages)
        return cls(messages=messages, labels=request.labels, languages=request.languages)

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
    return sum(len(described(message).encode()) for message in request.messages)


def described(message: Message) -> str:
    """Return a message as a person reads it; of images and files the type and size, of reasoning nothing."""
    return message.content if not message.parts else "\n".join(filter(None, map(_described, message.parts)))


def _described(part: Part) -> str:
    match part:
        case Text():
            return part.text
        case Image(url=""):
            return f"[image {part.media_type}, {_kilobytes(part.data)} kB]"
        case Image():
            return f"[image {part.url}]"
        case File():
            return f"[file {part.name} {part.media_type}, {_kilobytes(part.data)} kB]"
        case ToolCall():
            return f"[call {part.name} {part.input or part.arguments_json}]"
        case ToolResult():
            head = "[error of the tool]" if part.is_error else "[result of the tool]"
            return "\n".join([head, *map(_described, part.parts)])
        case Reasoning():
            return ""


def _kilobytes(data: bytes) -> int:
    return -(-len(data) // 1000)


def request_associated_data(ticket_id: str, tenant: str) -> str:
    """Return the associated data of an encrypted request."""
    return f"request {ticket_id} {tenant}"


def answer_associated_data(ticket_id: str, tenant: str) -> str:
    """Return the associated data of an encrypted answer."""
    return f"answer {ticket_id} {tenant}"
