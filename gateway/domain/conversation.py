"""What is said in a conversation."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """Who speaks in a message; the values are those of chat templates and the OpenAI API."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation; `content` is never shown in a repr."""

    role: Role
    content: str = field(repr=False)
