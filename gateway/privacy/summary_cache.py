"""Keeps what was found in each string of a conversation, so that a turn costs what its new text costs.

An entry holds no text: types and places of findings, keyed hashes of values, and numbers of words. It is
found by tenant, policy, role and the keyed hash of the string, and by nothing else.
"""

from collections.abc import Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import NamedTuple

from gateway.domain.request import Request
from gateway.domain.strings import RequestString
from gateway.privacy.scanner import Summary, is_answerable
from gateway.privacy.scorer import scanned_strings
from gateway.privacy.tenant_cache import TenantCache

MAX_BYTES = 32 * 1024 * 1024
"""Of one process; 40,000 strings without a finding."""
_ENTRY_BYTES = 800
_FOUND_BYTES = 400
_NAMED_BYTES = 64
"""Measured with tracemalloc, and rounded up."""


class Seen(NamedTuple):
    """The strings of a request, and what is known of them from requests before."""

    strings: Sequence[RequestString]
    tenant: str
    keys: Sequence[bytes]
    known: Sequence[Summary | None]
    """None: it has to be scanned."""


class SummaryCache:
    """The summaries of one process, for every policy and tenant of it; the least recently used goes first."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, has_tenants: bool = True) -> None:
        self._summaries = TenantCache[Summary](max_bytes=max_bytes, has_tenants=has_tenants)
        self._hash_key = token_bytes(16)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._summaries)

    @property
    def size_bytes(self) -> int:
        """How much it holds, as estimated."""
        return self._summaries.size_bytes

    def look_up(
        self, request: Request, policy_hash: str, strings: Sequence[RequestString] | None = None
    ) -> Seen:
        """Return what is known of the strings of a request, or of others in their places."""
        strings = scanned_strings(request) if strings is None else strings
        keys = [self._key(request, policy_hash, string) for string in strings]
        known: list[Summary | None] = []
        named: frozenset[int] | None = frozenset()
        for string, key in zip(strings, keys, strict=True):
            summary = self._summaries.get(request.tenant, key)
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
        return Seen(strings, request.tenant, keys, known)

    def keep(self, seen: Seen, summaries: Sequence[Summary | None]) -> None:
        """Take what was found in the strings of a request; a scan that failed has no summaries."""
        for key, known, summary in zip(seen.keys, seen.known, summaries, strict=False):
            if summary is not None and summary is not known:
                self._summaries.put(seen.tenant, key, summary, size=_size_of(summary))

    def _key(self, request: Request, policy_hash: str, string: RequestString) -> bytes:
        role = request.messages[string.message_index].role if string.message_index >= 0 else "config"
        kind = "id" if string.is_id else "opaque" if string.is_opaque else "text"
        digest = blake2b(f"{policy_hash} {role} {kind} ".encode(), digest_size=16, key=self._hash_key)
        digest.update(string.text.encode("utf-8", "surrogatepass"))
        return digest.digest()


def _size_of(summary: Summary) -> int:
    numbers = len(summary.named) + len(summary.asked) + len(summary.full)
    return _ENTRY_BYTES + _FOUND_BYTES * len(summary.found) + _NAMED_BYTES * numbers
