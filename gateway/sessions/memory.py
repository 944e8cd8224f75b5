"""Conversations in the memory of one process; gone when it ends, and unknown to other processes."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_bytes

from gateway.clock import Clock
from gateway.domain.session import SessionState, joined
from gateway.sessions.conversation_keys import SECRET_BYTES
from gateway.sessions.store import COMMON, SessionWrite, StoredSession

MAX_KEYS = 100_000
"""Of one process: some 40 MB. A conversation counts one, and each of its keys one."""
TENANT_SHARE = 4
"""A tenant has at most one part of so many, where there are tenants."""
MAX_KEYS_EACH = 512
"""Keys of one conversation; the oldest go first."""


@dataclass(slots=True, kw_only=True)
class _Remembered:
    tenant: str
    state: SessionState
    expires_s: float
    keys: OrderedDict[bytes, None] = field(default_factory=OrderedDict)

    @property
    def size(self) -> int:
        return 1 + len(self.keys)


class MemorySessions:
    """The conversations of one process; beyond the most, public ones go first, then the oldest."""

    def __init__(
        self,
        *,
        clock: Clock,
        max_keys: int = MAX_KEYS,
        has_tenants: bool = True,
    ) -> None:
        self._secret = token_bytes(SECRET_BYTES)
        self._clock = clock
        self._max_keys = max_keys
        self._tenant_keys = max_keys // TENANT_SHARE if has_tenants else max_keys
        self._sessions: dict[bytes, _Remembered] = {}
        self._by_key: dict[bytes, OrderedDict[bytes, None]] = {}
        """The conversations under a key, at most COMMON, the oldest first."""
        self._queues: dict[tuple[str | None, bool], OrderedDict[bytes, None]] = {}
        """By tenant (None: of all), and whether they are above public; the least recently used first."""
        self._sizes: dict[str, int] = {}
        self.size = 0

    async def secret(self) -> bytes:
        """Return the key of the hashes of this process."""
        return self._secret

    async def find(self, keys: Sequence[bytes]) -> Sequence[StoredSession]:
        """Return the live conversations under each key, in the order of the keys, at most COMMON of each."""
        found = []
        for key in keys:
            for session in tuple(self._by_key.get(key, ())):
                remembered = self._sessions[session]
                if remembered.expires_s <= self._clock.monotonic_s():
                    self._drop(session)
                else:
                    found.append(StoredSession(session=session, key=key, state=remembered.state))
        return found

    async def write(self, write: SessionWrite) -> None:
        """Create or extend a conversation."""
        kept = self._sessions.get(write.session)
        if kept is None:
            kept = _Remembered(tenant=write.tenant, state=write.state, expires_s=0.0)
            more = 1
        else:
            self._leave_queues(write.session, kept)
            kept.state = joined(kept.state, write.state)
            more = 0
        kept.expires_s = self._clock.monotonic_s() + write.idle_s
        new = [key for key in write.keys if key not in kept.keys]
        self._make_room(kept.tenant, more + len(new))
        self._sessions[write.session] = kept
        self._count(kept.tenant, more + len(new))
        for key in new:
            self._share(key, write.session)
        for key in write.keys:
            kept.keys[key] = None
            kept.keys.move_to_end(key)  # The key of its id comes with every write, and is never the oldest.
        while len(kept.keys) > MAX_KEYS_EACH:
            oldest, _ = kept.keys.popitem(last=False)
            self._unshare(oldest, write.session)
            self._count(kept.tenant, -1)
        for queue in _queues_of(kept):
            self._queues.setdefault(queue, OrderedDict())[write.session] = None

    async def end(self, key: bytes) -> bool:
        """Forget the conversations under a key, and say whether there were any."""
        ended = tuple(self._by_key.get(key, ()))
        for session in ended:
            self._drop(session)
        return bool(ended)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to free."""

    def _make_room(self, tenant: str, size: int) -> None:
        while self._sizes.get(tenant, 0) + size > self._tenant_keys:
            self._drop_one_of(tenant)
        while self.size + size > self._max_keys:
            self._drop_one_of(None)

    def _share(self, key: bytes, session: bytes) -> None:
        """Have a conversation found under a key, and the oldest of too many no more."""
        sharing = self._by_key.setdefault(key, OrderedDict())
        sharing[session] = None
        if len(sharing) > COMMON:
            oldest = self._sessions[sharing.popitem(last=False)[0]]
            del oldest.keys[key]
            self._count(oldest.tenant, -1)

    def _unshare(self, key: bytes, session: bytes) -> None:
        del self._by_key[key][session]
        if not self._by_key[key]:
            del self._by_key[key]

    def _drop_one_of(self, tenant: str | None) -> None:
        queue = self._queues.get((tenant, False)) or self._queues[tenant, True]
        self._drop(next(iter(queue)))

    def _drop(self, session: bytes) -> None:
        remembered = self._sessions.pop(session, None)
        if remembered is None:
            return
        for key in remembered.keys:
            self._unshare(key, session)
        self._leave_queues(session, remembered)
        self._count(remembered.tenant, -remembered.size)

    def _leave_queues(self, session: bytes, remembered: _Remembered) -> None:
        for queue in _queues_of(remembered):
            del self._queues[queue][session]
            if not self._queues[queue]:
                del self._queues[queue]

    def _count(self, tenant: str, more: int) -> None:
        self.size += more
        self._sizes[tenant] = self._sizes.get(tenant, 0) + more
        if not self._sizes[tenant]:
            del self._sizes[tenant]


def _queues_of(remembered: _Remembered) -> tuple[tuple[str | None, bool], ...]:
    is_private = remembered.state.is_private
    return (remembered.tenant, is_private), (None, is_private)
