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

    def cached_tokens(self, model: str, blocks: Sequence[str], tokens: Sequence[int]) -> int:
        """Return how many tokens of a prompt were in an earlier prompt for `model`, and remember it.

        `blocks` are the tools and the messages in their order, `tokens` the tokens of each.
        """
        digest = hashlib.sha256(model.encode()).digest()
        cached, is_seen = 0, True
        for block, count in zip(blocks, tokens, strict=True):
            digest = hashlib.sha256(digest + block.encode("utf-8", "surrogatepass")).digest()
            is_seen = is_seen and digest in self._seen
            cached += count if is_seen else 0
            self._seen[digest] = None
            self._seen.move_to_end(digest)
        while len(self._seen) > MOST_PREFIXES:
            self._seen.popitem(last=False)
        return cached

    def clear(self) -> None:
        """Forget all prompts."""
        self._seen.clear()
