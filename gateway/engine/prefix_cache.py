"""The contents of the KV cache, and the saved prefixes that new prompts may start from.

When a running sequence ends well, its state is copied into ordinary memory and its cells are freed: llama.cpp
visits every cell in every step, so a prefix that is only possibly needed must not stay there. A prompt that
begins with the same tokens loads the saved state, or shares the cells of a running sequence. The longest
match wins, the least recently used prefix is evicted first, and tenants never share a prefix."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.engine.interfaces import Model


@dataclass(slots=True, kw_only=True, eq=False)
class CachedSequence:
    """A running sequence in the cache: its tokens and their cells."""

    sequence: int
    """The model's number for it."""
    tenant: str
    max_tokens: int
    """The most tokens that it may hold."""
    tokens: list[int] = field(default_factory=list, repr=False)
    cells: list[int] = field(default_factory=list, repr=False)
    """Cell ids of this module, never used twice; sequences that share a prefix share its ids."""


class _CellCounts:
    """How many running sequences use each cell."""

    def __init__(self) -> None:
        self._count: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._count)

    def add(self, cells: Iterable[int]) -> None:
        for cell in cells:
            self._count[cell] = self._count.get(cell, 0) + 1

    def remove(self, cells: Iterable[int]) -> None:
        for cell in cells:
            if self._count[cell] == 1:
                del self._count[cell]
            else:
                self._count[cell] -= 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedPrefix:
    """A saved sequence: its tokens, and the state that the model saved."""

    tenant: str
    tokens: tuple[int, ...] = field(repr=False)
    state: bytearray = field(repr=False)


class PrefixCache:
    """The running and saved sequences of one model; used by the scheduler's thread only."""

    def __init__(self, model: Model, *, kept_bytes: int) -> None:
        self._model = model
        self._most_bytes = kept_bytes if model.can_share else 0
        self._free = list(range(model.slots))
        self._running: list[CachedSequence] = []
        self._saved: list[SavedPrefix] = []
        """The least recently used comes first."""
        self._used = _CellCounts()
        self._next_cell = 0
        self.kept_bytes = 0

    @property
    def cells_used(self) -> int:
        """Cells that running sequences use; a shared cell counts once."""
        return len(self._used)

    @property
    def kept_tokens(self) -> int:
        """Tokens of all saved prefixes."""
        return sum(len(saved.tokens) for saved in self._saved)

    def begin(self, tenant: str, prompt: Sequence[int], max_tokens: int) -> CachedSequence | None:
        """Return a sequence that holds the longest known prefix of the prompt, without its last token.

        None if running sequences may need the cells: a running sequence never runs out of them.
        """
        source, count = self.longest_match(tenant, prompt)
        cells = source.cells[:count] if isinstance(source, CachedSequence) else []
        reserved = sum(cached.max_tokens - len(cached.tokens) for cached in self._running)
        if len(self._used) + reserved + max_tokens - len(cells) > self._model.kv_cells:
            return None
        cached = CachedSequence(sequence=self._free.pop(), tenant=tenant, max_tokens=max_tokens)
        self._running.append(cached)
        if isinstance(source, CachedSequence):
            self._model.share(source.sequence, cached.sequence, count)
            self._add(cached, prompt[:count], cells)
        elif source is not None and len(source.tokens) <= self._model.kv_cells - len(self._used):
            self._model.load(cached.sequence, source.state)
            self._model.truncate(cached.sequence, count)
            self.extend(cached, prompt[:count])
            self._saved.remove(source)
            self._saved.append(source)
        return cached

    def longest_match(
        self, tenant: str, prompt: Sequence[int]
    ) -> tuple[CachedSequence | SavedPrefix | None, int]:
        """Return the sequence of this tenant with the longest common prefix, and its length in tokens.

        The last token of a prompt is never counted: it is decoded for its logits.
        """
        best: CachedSequence | SavedPrefix | None = None
        most = 0
        if self._model.can_share:
            everything: list[CachedSequence | SavedPrefix] = [*self._running, *self._saved]
            for known in everything:
                if known.tenant == tenant:
                    count = common_length(known.tokens, prompt[:-1])
                    if count > most:
                        best, most = known, count
        return best, most

    def extend(self, cached: CachedSequence, tokens: Sequence[int]) -> None:
        """Record that tokens are in new cells at the end of a sequence."""
        first, self._next_cell = self._next_cell, self._next_cell + len(tokens)
        self._add(cached, tokens, range(first, self._next_cell))

    def restore(self, cached: CachedSequence) -> None:
        """Remove from the model what it decoded beyond the recorded tokens of a sequence."""
        self._model.truncate(cached.sequence, len(cached.tokens))

    def end(self, cached: CachedSequence, *, keep: bool) -> None:
        """Free a sequence; with `keep` its state is saved for later prompts."""
        if keep and not any(_begins_with(saved, cached) for saved in self._saved):
            self._save(cached)
        self._running.remove(cached)
        self._model.truncate(cached.sequence, 0)
        self._used.remove(cached.cells)
        self._free.append(cached.sequence)

    def _save(self, cached: CachedSequence) -> None:
        size = self._model.state_bytes(cached.sequence) if self._most_bytes else 0
        if not 0 < size <= self._most_bytes:
            return
        for redundant in [saved for saved in self._saved if _begins_with(cached, saved)]:
            self._evict(redundant)
        while self.kept_bytes + size > self._most_bytes:
            self._evict(self._saved[0])
        state = self._model.save(cached.sequence)
        self._saved.append(SavedPrefix(tenant=cached.tenant, tokens=tuple(cached.tokens), state=state))
        self.kept_bytes += len(state)

    def _evict(self, saved: SavedPrefix) -> None:
        self._saved.remove(saved)
        self.kept_bytes -= len(saved.state)

    def _add(self, cached: CachedSequence, tokens: Sequence[int], cells: Sequence[int]) -> None:
        cached.tokens.extend(tokens)
        cached.cells.extend(cells)
        self._used.add(cells)


def _begins_with(known: CachedSequence | SavedPrefix, other: CachedSequence | SavedPrefix) -> bool:
    """Whether `known` begins with all tokens of `other`, of the same tenant."""
    is_longer = len(known.tokens) >= len(other.tokens)
    same = common_length(known.tokens, other.tokens) == len(other.tokens)
    return known.tenant == other.tenant and is_longer and same


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Return the length of the common prefix of two sequences, by bisection."""
    same, differs = 0, min(len(left), len(right)) + 1
    while differs - same > 1:
        middle = (same + differs) // 2
        if list(left[same:middle]) == list(right[same:middle]):
            same = middle
        else:
            differs = middle
    return same
