"""Where conversations are remembered, as `Sessions` needs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.session import SessionState

COMMON = 4
"""An answer that so many conversations hold, "How can I help you today?" for example, tells none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A conversation as it is stored."""

    session: bytes
    """Names it in the store; random."""
    key: bytes
    """Under which it was found."""
    state: SessionState


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWrite:
    """What a turn adds to a conversation."""

    session: bytes
    tenant: str
    keys: Sequence[bytes]
    """Under which it is found from now on, beside those that it has."""
    state: SessionState
    """Joined with what is stored: the class never falls."""
    idle_s: float


class SessionStore(Protocol):
    """Remembers conversations until they are idle for too long, or there are too many."""

    async def secret(self) -> bytes:
        """Return the key of the hashes, the same for all processes that share the store.

        Raises SessionsUnavailable.
        """
        ...

    async def find(self, keys: Sequence[bytes]) -> Sequence[StoredSession]:
        """Return the live conversations under each key, in the order of the keys, at most COMMON of each.

        Raises SessionsUnavailable.
        """
        ...

    async def write(self, write: SessionWrite) -> None:
        """Create or extend a conversation; raises SessionsUnavailable."""
        ...

    async def end(self, key: bytes) -> bool:
        """Forget the conversations under a key; say whether there were any. Raises SessionsUnavailable."""
        ...

    async def aclose(self) -> None:
        """Free what is held."""
        ...
