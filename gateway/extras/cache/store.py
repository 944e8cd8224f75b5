"""Where answers are kept, as `AnswerCache` needs it."""

from typing import Protocol


class AnswerStore(Protocol):
    """Keeps answers as bytes until their time is over, or there are too many."""

    async def secret(self) -> bytes:
        """Return the key of the hashes, the same for all processes that share the store.

        Raises ConnectionError, as the others do.
        """
        ...

    async def get(self, key: bytes) -> bytes | None:
        """Return the answer under a key; None: there is none."""
        ...

    async def put(self, key: bytes, answer: bytes, *, ttl_s: float) -> None:
        """Keep an answer for so many seconds, in the place of an earlier one."""
        ...

    async def aclose(self) -> None:
        """Free what is held."""
        ...
