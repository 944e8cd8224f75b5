"""What the tokens of one step are: one for each sequence that answers, the rest for prompts."""

from collections.abc import Sequence as Seq

SHORT = 32
"""Prompts with no more tokens than this are read at once: they hardly lengthen a step."""


def share_prompts(pending: Seq[int], *, budget: int, most: int) -> list[int]:
    """Divide a step among prompts that have `pending` tokens each, the oldest prompt first.

    Short prompts are read whole, as long as `most` tokens suffice. Long ones share `budget`, which bounds
    how long those that answer wait: half is for the oldest, so that every prompt comes to its end; the rest
    goes to the shortest, which so begin to answer soon.
    """
    shares = [0] * len(pending)
    left = most
    for i, wanted in enumerate(pending):
        if wanted <= min(SHORT, left):
            shares[i] = wanted
            left -= wanted
    left = min(left, budget)
    long = [i for i in range(len(pending)) if not shares[i]]
    if long:
        oldest = long[0]
        shares[oldest] = min(pending[oldest], -(-left // 2))
        left -= shares[oldest]
    for i in sorted(long, key=lambda i: pending[i] - shares[i]):
        more = min(pending[i] - shares[i], left)
        shares[i] += more
        left -= more
    return shares
