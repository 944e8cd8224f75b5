"""What is known of the masked texts of earlier turns, so that a turn costs what its new text costs.

It holds no text: summaries of masked strings, and of pieces of text the keyed hashes of the values that are
known not to be spelled in them. All of it is found by tenant and policy, and by nothing else.
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import NamedTuple

from gateway.privacy.masking.spelling import Value, is_spelled_in
from gateway.privacy.summary_cache import SummaryCache
from gateway.privacy.tenant_cache import TenantCache

MAX_BYTES = 16 * 1024 * 1024
"""Of one process."""
PIECE_CHARS = 8 * 1024
"""What is searched is cut behind so many characters, and the next space."""
SHARED_CHARS = 2 * 1024
"""So much of the next piece, up to a space, belongs to a piece too: a longer spelling of a value is none."""
_PIECE_BYTES = 500
_VALUE_BYTES = 60
"""Measured with tracemalloc, and rounded up."""
_SPACE = re.compile(r"\s")


class KnownMasks:
    """Of one process, for every policy and tenant of it."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self.summaries = SummaryCache(max_bytes=max_bytes // 2)
        self.pieces = TenantCache[frozenset[bytes]](max_bytes=max_bytes // 2)
        self.hash_key = token_bytes(16)

    def scope(self, tenant: str, policy_hash: str) -> "Known":
        """Return what is known for a tenant under a policy."""
        return Known(self, tenant, policy_hash)


class Known(NamedTuple):
    """The texts of one tenant under one policy."""

    masks: KnownMasks
    tenant: str
    policy_hash: str

    def is_spelled_in(self, text: str, values: Sequence[Value]) -> bool:
        """Return whether one of the values, or an identifying part of it, is in a text."""
        hashes = {self._hash(f"{value.type} {value.text}"): value for value in values}
        cache = self.masks.pieces
        for piece in pieces_of(text):
            key = self._hash(piece)
            absent: frozenset[bytes] = cache.get(self.tenant, key) or frozenset()
            if searched := [value for each, value in hashes.items() if each not in absent]:
                if is_spelled_in(piece, searched):
                    return True
                absent |= hashes.keys()
                cache.put(self.tenant, key, absent, size=_PIECE_BYTES + _VALUE_BYTES * len(absent))
        return False

    def _hash(self, text: str) -> bytes:
        digest = blake2b(self.policy_hash.encode(), digest_size=16, key=self.masks.hash_key)
        digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.digest()


def pieces_of(text: str) -> Iterator[str]:
    """Yield a text in pieces that share their ends; those of a text with more behind it stay the same."""
    start = 0
    while start + PIECE_CHARS < len(text):
        following = _space(text, start + PIECE_CHARS)
        yield text[start : _space(text, following + SHARED_CHARS)]
        start = following
    yield text[start:]


def _space(text: str, start: int) -> int:
    """Return where the first space is from there on, or the end."""
    found = _SPACE.search(text, start)
    return len(text) if found is None else found.start()
