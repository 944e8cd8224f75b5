"""Which beginnings of prompts a model of the simulated provider has seen."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

MOST_PREFIXES = 100_000
"""Most prefixes that are kept; the ones that were not used for the longest time go first."""


class SeenPrompts:
    """The prefixes of prompts that were sent, of whole messages, each by its digest."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def look_up(
        self,
        model: str,
        blocks: Sequence[str],
        tokens: Sequence[int],
        *,
        marks: frozenset[int] | None = None,
    ) -> tuple[int, int]:
        """Return how many tokens of a prompt were kept for `model` before, and how many are kept now.

        `blocks` are the tools and the messages in their order, `tokens` the tokens of each. With `marks`
        what is before the end of each of these blocks is kept, and read if the prompt has a mark at all.
        """
        digest = hashlib.sha256(model.encode()).digest()
        so_far = cached = kept = 0
        for i, (block, count) in enumerate(zip(blocks, tokens, strict=True)):
            digest = hashlib.sha256(digest + block.encode("utf-8", "surrogatepass")).digest()
            so_far += count
            if digest in self._seen and (marks is None or i <= max(marks, default=-1)):
                cached = so_far
            if marks is None or i in marks:
                kept = so_far
                self._seen[digest] = None
                self._seen.move_to_end(digest)
        while len(self._seen) > MOST_PREFIXES:
            self._seen.popitem(last=False)
        return cached, max(kept, cached)

    def clear(self) -> None:
        """Forget all prompts."""
        self._seen.clear()
