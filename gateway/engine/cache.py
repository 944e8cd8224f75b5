"""Which cells of the KV cache hold what: room for those that run, and past ones to begin from.

A branch is one sequence in the cache. When it ends well it is kept, until its cells or its number are
wanted: a prompt that begins with the same tokens then shares those cells instead of decoding them again.
The longest match wins, the one that was used longest ago goes first, and no branch serves another tenant.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.engine.steps import Model


@dataclass(slots=True, kw_only=True, eq=False)
class Branch:
    """A sequence in the cache: its tokens, and the cells that they are in."""

    sequence: int
    """The model's number for it."""
    tenant: str
    room: int
    """The most tokens that it may come to hold."""
    tokens: list[int] = field(default_factory=list, repr=False)
    cells: list[int] = field(default_factory=list, repr=False)
    """Our own names for the cells, never used twice; two branches share those that they have in common."""


class _Holders:
    """How many branches hold each cell."""

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

    def count_new(self, cells: Iterable[int]) -> int:
        """Return how many of `cells` nobody holds."""
        return sum(cell not in self._count for cell in cells)


class Cache:
    """The branches of one model; used by the scheduler's thread only."""

    def __init__(self, model: Model, *, kept_cells: int) -> None:
        self._model = model
        self._kept_limit = kept_cells if model.can_share else 0
        self._free = list(range(model.sequences))
        self._running: list[Branch] = []
        self._kept: list[Branch] = []
        """The one that was used longest ago comes first."""
        self._held = _Holders()
        self._held_by_running = _Holders()
        self._next_cell = 0

    @property
    def cells_used(self) -> int:
        """Cells that running branches hold."""
        return len(self._held_by_running)

    @property
    def cells_kept(self) -> int:
        """Cells that only past branches hold."""
        return len(self._held) - len(self._held_by_running)

    def begin(self, tenant: str, prompt: Sequence[int], room: int) -> Branch | None:
        """Return a branch that holds what is there of the prompt, its last token excepted.

        None when running branches may come to need the cells: what has begun never runs out of them.
        """
        source, count = self.longest_match(tenant, prompt)
        cells = [] if source is None else source.cells[:count]
        reserved = sum(branch.room - len(branch.tokens) for branch in self._running)
        wanted = self._held_by_running.count_new(cells) + room - count
        if len(self._held_by_running) + reserved + wanted > self._model.kv_cells:
            return None
        branch = Branch(sequence=self._take_number(source), tenant=tenant, room=room)
        if source is not None:
            self._model.share(source.sequence, branch.sequence, count)
            self._touch(source)
        self._running.append(branch)
        self._add(branch, prompt[:count], cells)
        self._shrink(self._model.kv_cells - reserved - (room - count))
        return branch

    def longest_match(self, tenant: str, prompt: Sequence[int]) -> tuple[Branch | None, int]:
        """Return the branch of this tenant that begins with the most tokens of the prompt, and how many.

        The last token of a prompt is never counted: its logits are needed, so it is decoded.
        """
        best: Branch | None = None
        most = 0
        if self._model.can_share:
            for branch in (*self._running, *self._kept):
                if branch.tenant == tenant:
                    count = common_length(branch.tokens, prompt[:-1])
                    if count > most:
                        best, most = branch, count
        return best, most

    def extend(self, branch: Branch, tokens: Sequence[int]) -> None:
        """Note that tokens were decoded at the end of a branch."""
        first, self._next_cell = self._next_cell, self._next_cell + len(tokens)
        self._add(branch, tokens, range(first, self._next_cell))

    def restore(self, branch: Branch) -> None:
        """Take from the model what it decoded beyond the tokens of a branch."""
        self._model.truncate(branch.sequence, len(branch.tokens))

    def end(self, branch: Branch, *, keep: bool) -> None:
        """Free a running branch, or keep it for prompts to come."""
        self._running.remove(branch)
        self._held_by_running.drop(branch.cells)
        if not keep or self._kept_limit == 0 or any(begins_with(k, branch) for k in self._kept):
            self._forget(branch)
            return
        for redundant in [k for k in self._kept if begins_with(branch, k)]:
            self._kept.remove(redundant)
            self._forget(redundant)
        self._kept.append(branch)
        while self.cells_kept > self._kept_limit:
            self._forget(self._kept.pop(0))

    def _add(self, branch: Branch, tokens: Sequence[int], cells: Sequence[int]) -> None:
        branch.tokens.extend(tokens)
        branch.cells.extend(cells)
        self._held.hold(cells)
        self._held_by_running.hold(cells)

    def _take_number(self, source: Branch | None) -> int:
        """Return a free number; where there is none, the oldest kept branch that is not the source goes."""
        if not self._free:
            oldest = next(branch for branch in self._kept if branch is not source)
            self._kept.remove(oldest)
            self._forget(oldest)
        return self._free.pop()

    def _touch(self, source: Branch) -> None:
        if source in self._kept:
            self._kept.remove(source)
            self._kept.append(source)

    def _shrink(self, most: int) -> None:
        """Forget kept branches until at most so many cells are held."""
        while self._kept and len(self._held) > most:
            self._forget(self._kept.pop(0))

    def _forget(self, branch: Branch) -> None:
        self._model.truncate(branch.sequence, 0)
        self._held.drop(branch.cells)
        self._free.append(branch.sequence)


def begins_with(branch: Branch, other: Branch) -> bool:
    """Whether a branch holds all that another of the same tenant holds."""
    return branch.tenant == other.tenant and branch.tokens[: len(other.tokens)] == other.tokens


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
