"""What rules see of a conversation beside its scores: pure functions of a request."""

from dataclasses import dataclass

from gateway.domain.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSignals:
    """The names are those of the CEL variables."""

    tools_offered: int = 0
    has_images: bool = False
    """Whether there are images or files."""
    is_embedding: bool = False
    """Whether vectors are asked for, and no answer."""

    def values(self) -> dict[str, int | bool]:
        """Return all of them by their names."""
        return {name: getattr(self, name) for name in self.__slots__}


def signals_of(request: Request) -> ConversationSignals:
    """Return what rules see of a request."""
    return ConversationSignals(
        tools_offered=len(request.config.tools),
        has_images=any(
            next(message.unreadable_parts, None) is not None for message in request.messages if message.parts
        ),
        is_embedding=request.embedding is not None,
    )
