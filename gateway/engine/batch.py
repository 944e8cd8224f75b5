"""How a step is divided: answers with what is forced of them or guessed for them, the rest for prompts."""

from collections.abc import Sequence as Seq

SHORT = 32
"""A prompt of at most this many tokens is read whole in one step; so many rows have all answers together."""
GUESSED_ROWS = 18
"""Rows of a step, of all answers together, up to which tokens are guessed: a whole guess for one answer, two
tokens for each of six, none for ten."""


def share_forced(pending: Seq[int], *, most: int) -> list[int]:
    """Divide a step among answers that have `pending` tokens each: one, and the forced ones behind it.

    Each gets one at least. All together get SHORT at most, since a step of 32 rows took 18 times one of one
    row (SmolLM2-135M, one core); half of the `most` tokens of a step are left to prompts.
    """
    left = max(0, min(most // 2, SHORT) - len(pending))
    shares = []
    for wanted in pending:
        more = min(wanted - 1, left)
        left -= more
        shares.append(1 + more)
    return shares


def share_guesses(shares: Seq[int], *, most: int) -> int:
    """Return how many tokens may be guessed for each answer, beside their `shares` of a step.

    A step of many answers gains nothing by more rows; no step has more than `most` tokens.
    """
    left = min(GUESSED_ROWS, most) - sum(shares)
    return max(0, left // len(shares)) if shares else 0


def share_prompts(pending: Seq[int], *, budget: int, most: int) -> list[int]:
    """Divide a step among prompts that have `pending` tokens each, the oldest prompt first.

    Short prompts are read whole while `most` tokens suffice. Long ones share `budget`, which bounds how long
    generating sequences wait: half is for the oldest, so that every prompt finishes; the rest goes to the
    shortest, which can then generate soon.
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
