"""Opens the cache of a policy, at the state URL where the policy wants that."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from gateway.clock import Clock
from gateway.errors import StartupError
from gateway.extras.cache.answer_cache import AnswerCache, OnLookUp
from gateway.extras.cache.memory import MemoryAnswers
from gateway.extras.cache.store import AnswerStore
from gateway.ledger.open import REDIS
from gateway.policy.model import ModelSpec, Policy

if TYPE_CHECKING:
    from gateway.extras.cache.redis import RedisAnswers

BYTES_PER_MB = 1_000_000


class CacheOpener:
    """Makes the cache of each policy. Connections to Redis outlive it, what is in memory does not."""

    def __init__(self, *, state_url: str, on_look_up: OnLookUp, clock: Clock) -> None:
        self._state_url = state_url
        self._on_look_up = on_look_up
        self._clock = clock
        self._redis: RedisAnswers | None = None
        self._in_memory = WeakSet[MemoryAnswers]()
        """Of all policies that still have requests."""

    @property
    def size_bytes(self) -> int:
        """How much the answers take in the memory of this process."""
        return sum(store.size_bytes for store in self._in_memory)

    def cache(self, policy: Policy) -> AnswerCache | None:
        """Return the cache that a policy wants; raises StartupError for another state URL."""
        section = policy.cache
        if section is None:
            return None
        store: AnswerStore
        if section.store == "redis":
            store = self._shared()
        else:
            store = MemoryAnswers(max_bytes=section.max_mb * BYTES_PER_MB, clock=self._clock)
            self._in_memory.add(store)
        return AnswerCache(
            policy,
            section,
            store,
            models_hash=models_hash(policy.models.values()),
            on_look_up=self._on_look_up,
            clock=self._clock,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            await self._redis.aclose()

    def _shared(self) -> "RedisAnswers":
        if not self._state_url.startswith(REDIS):
            raise StartupError("cache.store: redis needs --state redis://HOST")
        if self._redis is None:  # The ledger is there too, so the client is installed, and the URL is one.
            from gateway.extras.cache.redis import RedisAnswers

            self._redis = RedisAnswers(self._state_url)
        return self._redis


def models_hash(models: Iterable[ModelSpec]) -> str:
    """Name the files of local models by size and time of change: another file answers otherwise.

    What the policy pins by SHA-256 is part of the policy's hash. To read a file of a model takes long.
    """
    said = [_state_of(Path(path)) for spec in models for path in spec.unpinned_files]
    return sha256(repr(said).encode()).hexdigest()


def _state_of(path: Path) -> tuple[int, int]:
    try:
        found = path.expanduser().stat()
    except OSError:
        return 0, 0  # Its engine tells of it.
    return found.st_size, found.st_mtime_ns
