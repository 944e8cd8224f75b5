"""Answers in the memory of one process; gone when it ends, and unknown to other processes."""

from collections import OrderedDict
from secrets import token_bytes
from typing import NamedTuple

from gateway.clock import Clock
from gateway.extras.cache.request_key import SECRET_BYTES

ENTRY_BYTES = 512
"""What an answer takes beside its bytes: the key, the entry, and their places in the table."""


class _Kept(NamedTuple):
    answer: bytes
    expires_s: float


class MemoryAnswers:
    """The answers of one process; beyond the most bytes the least recently used goes first."""

    def __init__(self, *, max_bytes: int, clock: Clock) -> None:
        self._secret = token_bytes(SECRET_BYTES)
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._size = 0

    async def secret(self) -> bytes:
        """Return the key of the hashes of this process."""
        return self._secret

    async def get(self, key: bytes) -> bytes | None:
        """Return the answer under a key; None: there is none, or its time is over."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.expires_s <= self._clock.monotonic_s():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.answer

    async def put(self, key: bytes, answer: bytes, *, ttl_s: float) -> None:
        """Keep an answer for so many seconds; one that is larger than all that may be kept is not."""
        self._drop(key)
        if _size_of(answer) > self._max_bytes:
            return
        self._kept[key] = _Kept(answer, self._clock.monotonic_s() + ttl_s)
        self._size += _size_of(answer)
        while self._size > self._max_bytes:
            self._drop(next(iter(self._kept)))

    @property
    def size_bytes(self) -> int:
        """How much all answers take."""
        return self._size

    async def aclose(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._size = 0

    def _drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= _size_of(kept.answer)


def _size_of(answer: bytes) -> int:
    return len(answer) + ENTRY_BYTES
