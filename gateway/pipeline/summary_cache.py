"""Keeps what was found in each string of a conversation, so that a turn costs what its new text costs.

An entry holds no text: types and places of findings, keyed hashes of values, and numbers of words. It is
found by tenant, policy, role and the keyed hash of the string, and by nothing else.
"""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import NamedTuple

from gateway.domain.request import Request
from gateway.domain.strings import RequestString
from gateway.privacy.scanner import Summary, is_answerable
from gateway.privacy.scorer import scanned_strings

MAX_BYTES = 32 * 1024 * 1024
"""Of one process; 40,000 strings without a finding."""
TENANT_SHARE = 4
"""A tenant has at most one part of so many, where there are tenants."""
_LARGEST_SHARE = 16
"""An entry larger than this part of a tenant's is not kept."""
_ENTRY_BYTES = 800
_FOUND_BYTES = 400
_NAMED_BYTES = 64
"""Measured with tracemalloc, and rounded up."""

_Key = tuple[str, bytes]


class Seen(NamedTuple):
    """The strings of a request, and what is known of them from requests before."""

    strings: Sequence[RequestString]
    keys: Sequence[_Key]
    known: Sequence[Summary | None]
    """None: it has to be scanned."""


class SummaryCache:
    """The summaries of one process, for every policy and tenant of it; the least recently used goes first."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, has_tenants: bool = True) -> None:
        self._max_bytes = max_bytes
        self._tenant_bytes = max_bytes // TENANT_SHARE if has_tenants else max_bytes
        self._entries: OrderedDict[_Key, tuple[Summary, int]] = OrderedDict()
        self._by_tenant: dict[str, OrderedDict[_Key, None]] = {}
        self._tenant_sizes: dict[str, int] = {}
        self._hash_key = token_bytes(16)
        self.size_bytes = 0
        """How much it holds, as estimated."""

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def look_up(self, request: Request, policy_hash: str) -> Seen:
        """Return what is known of the strings of a request."""
        strings = scanned_strings(request)
        keys = [self._key(request, policy_hash, string) for string in strings]
        known: list[Summary | None] = []
        named: frozenset[int] | None = frozenset()
        for string, key in zip(strings, keys, strict=True):
            summary = self._entry(key)
            asked = named if is_answerable(string) else frozenset()
            # Behind a string that is not known it is not known what was asked.
            if summary is None or not (
                summary.holds_for(asked) if asked is not None else not summary.has_answers
            ):
                known.append(None)
                named = named if summary is not None or string.message_index < 0 else None
            else:
                known.append(summary)
            if named is not None and summary is not None:
                named |= summary.named
        return Seen(strings, keys, known)

    def keep(self, seen: Seen, summaries: Sequence[Summary | None]) -> None:
        """Take what was found in the strings of a request; a scan that failed has no summaries."""
        for key, known, summary in zip(seen.keys, seen.known, summaries, strict=False):
            if summary is not None and summary is not known:
                self._put(key, summary)

    def _key(self, request: Request, policy_hash: str, string: RequestString) -> _Key:
        role = request.messages[string.message_index].role if string.message_index >= 0 else "config"
        kind = "id" if string.is_id else "opaque" if string.is_opaque else "text"
        digest = blake2b(f"{policy_hash} {role} {kind} ".encode(), digest_size=16, key=self._hash_key)
        digest.update(string.text.encode("utf-8", "surrogatepass"))
        return request.tenant, digest.digest()

    def _entry(self, key: _Key) -> Summary | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        self._by_tenant[key[0]].move_to_end(key)
        return entry[0]

    def _put(self, key: _Key, summary: Summary) -> None:
        self._drop(key)
        size, tenant = _size_of(summary), key[0]
        if size > self._tenant_bytes // _LARGEST_SHARE:
            return
        while self._tenant_sizes.get(tenant, 0) + size > self._tenant_bytes:
            self._drop(next(iter(self._by_tenant[tenant])))
        while self.size_bytes + size > self._max_bytes:
            self._drop(next(iter(self._entries)))
        self._entries[key] = summary, size
        self._by_tenant.setdefault(tenant, OrderedDict())[key] = None
        self._tenant_sizes[tenant] = self._tenant_sizes.get(tenant, 0) + size
        self.size_bytes += size

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        tenant = key[0]
        del self._by_tenant[tenant][key]
        self._tenant_sizes[tenant] -= entry[1]
        self.size_bytes -= entry[1]
        if not self._by_tenant[tenant]:
            del self._by_tenant[tenant], self._tenant_sizes[tenant]


def _size_of(summary: Summary) -> int:
    numbers = len(summary.named) + len(summary.asked) + len(summary.full)
    return _ENTRY_BYTES + _FOUND_BYTES * len(summary.found) + _NAMED_BYTES * numbers
