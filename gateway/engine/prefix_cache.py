"""Which cells of the KV cache hold what, and what of the past is kept beside it to begin from.

A cached is one running sequence in the cache. When it ends well, its state is copied into ordinary memory
and its cells are free: llama.cpp passes over every cell in every step, so what only may be wanted again must
not lie there. A prompt that begins with the same tokens copies the state back, or, where a running
sequence has it, shares its cells. The longest match wins, what was used longest ago goes first, and nothing
that one tenant left serves another.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.engine.interfaces import Model


@dataclass(slots=True, kw_only=True, eq=False)
class CachedSequence:
    """A sequence in the cache: its tokens, and the cells that they are in."""

    sequence: int
    """The model's number for it."""
    tenant: str
    room: int
    """The most tokens that it may come to hold."""
    tokens: list[int] = field(default_factory=list, repr=False)
    cells: list[int] = field(default_factory=list, repr=False)
    """Our own names for the cells, never used twice; two running sequences share those that they have in common."""


class _Holders:
    """How many running sequences hold each cell."""

    def __init__(self) -> None:
        self._count: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._count)

    def hold(self, cells: Iterable[int]) -> None:
        for cell in cells:
            self._count[cell] = self._count.get(cell, 0) + 1

    def drop(self, cells: Iterable[int]) -> None:
        for cell in cells:
            if self._count[cell] == 1:
                del self._count[cell]
            else:
                self._count[cell] -= 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedPrefix:
    """A sequence of the past: its tokens, and the state that the model saved of it."""

    tenant: str
    tokens: tuple[int, ...] = field(repr=False)
    state: bytearray = field(repr=False)


class PrefixCache:
    """The running sequences of one model; used by the scheduler's thread only."""

    def __init__(self, model: Model, *, kept_bytes: int) -> None:
        self._model = model
        self._most_bytes = kept_bytes if model.can_share else 0
        self._free = list(range(model.slots))
        self._running: list[CachedSequence] = []
        self._kept: list[SavedPrefix] = []
        """The one that was used longest ago comes first."""
        self._held = _Holders()
        self._next_cell = 0
        self.kept_bytes = 0

    @property
    def cells_used(self) -> int:
        """Cells that running sequences hold; one that several share counts once."""
        return len(self._held)

    @property
    def kept_tokens(self) -> int:
        """Tokens of the past that prompts may begin with."""
        return sum(len(kept.tokens) for kept in self._kept)

    def begin(self, tenant: str, prompt: Sequence[int], room: int) -> CachedSequence | None:
        """Return a cached that holds what is known of the prompt, its last token excepted.

        None when running running sequences may come to need the cells: what has begun never runs out of them.
        """
        source, count = self.longest_match(tenant, prompt)
        cells = source.cells[:count] if isinstance(source, CachedSequence) else []
        reserved = sum(cached.room - len(cached.tokens) for cached in self._running)
        if len(self._held) + reserved + room - len(cells) > self._model.kv_cells:
            return None
        cached = CachedSequence(sequence=self._free.pop(), tenant=tenant, room=room)
        self._running.append(cached)
        if isinstance(source, CachedSequence):
            self._model.share(source.sequence, cached.sequence, count)
            self._add(cached, prompt[:count], cells)
        elif source is not None and len(source.tokens) <= self._model.kv_cells - len(self._held):
            self._model.load(cached.sequence, source.state)
            self._model.truncate(cached.sequence, count)
            self.extend(cached, prompt[:count])
            self._kept.remove(source)
            self._kept.append(source)
        return cached

    def longest_match(
        self, tenant: str, prompt: Sequence[int]
    ) -> tuple[CachedSequence | SavedPrefix | None, int]:
        """Return what this tenant has that begins with the most tokens of the prompt, and how many.

        The last token of a prompt is never counted: its logits are needed, so it is decoded.
        """
        best: CachedSequence | SavedPrefix | None = None
        most = 0
        if self._model.can_share:
            everything: list[CachedSequence | SavedPrefix] = [*self._running, *self._kept]
            for known in everything:
                if known.tenant == tenant:
                    count = common_length(known.tokens, prompt[:-1])
                    if count > most:
                        best, most = known, count
        return best, most

    def extend(self, cached: CachedSequence, tokens: Sequence[int]) -> None:
        """Note that tokens are in new cells at the end of a cached."""
        first, self._next_cell = self._next_cell, self._next_cell + len(tokens)
        self._add(cached, tokens, range(first, self._next_cell))

    def restore(self, cached: CachedSequence) -> None:
        """Take from the model what it decoded beyond the tokens of a cached."""
        self._model.truncate(cached.sequence, len(cached.tokens))

    def end(self, cached: CachedSequence, *, keep: bool) -> None:
        """Free a cached; with `keep` its state stays for prompts to come."""
        if keep and not any(_begins_with(kept, cached) for kept in self._kept):
            self._keep(cached)
        self._running.remove(cached)
        self._model.truncate(cached.sequence, 0)
        self._held.drop(cached.cells)
        self._free.append(cached.sequence)

    def _keep(self, cached: CachedSequence) -> None:
        size = self._model.state_bytes(cached.sequence) if self._most_bytes else 0
        if not 0 < size <= self._most_bytes:
            return
        for redundant in [kept for kept in self._kept if _begins_with(cached, kept)]:
            self._drop(redundant)
        while self.kept_bytes + size > self._most_bytes:
            self._drop(self._kept[0])
        state = self._model.save(cached.sequence)
        self._kept.append(SavedPrefix(tenant=cached.tenant, tokens=tuple(cached.tokens), state=state))
        self.kept_bytes += len(state)

    def _drop(self, kept: SavedPrefix) -> None:
        self._kept.remove(kept)
        self.kept_bytes -= len(kept.state)

    def _add(self, cached: CachedSequence, tokens: Sequence[int], cells: Sequence[int]) -> None:
        cached.tokens.extend(tokens)
        cached.cells.extend(cells)
        self._held.hold(cells)


def _begins_with(known: CachedSequence | SavedPrefix, other: CachedSequence | SavedPrefix) -> bool:
    """Whether one holds all that another of the same tenant holds."""
    is_longer = len(known.tokens) >= len(other.tokens)
    same = common_length(known.tokens, other.tokens) == len(other.tokens)
    return known.tenant == other.tenant and is_longer and same


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many tokens two sequences have in common at their beginning, by comparing halves."""
    same, differs = 0, min(len(left), len(right)) + 1
    while differs - same > 1:
        middle = (same + differs) // 2
        if list(left[same:middle]) == list(right[same:middle]):
            same = middle
        else:
            differs = middle
    return same
