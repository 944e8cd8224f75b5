"""What the tokens of one step are: one for each sequence that answers, the rest for prompts."""

from collections.abc import Sequence as Seq


def share_prompts(pending: Seq[int], budget: int) -> list[int]:
    """Divide `budget` tokens among prompts that have `pending` tokens each, the oldest prompt first.

    Half is for the oldest one, so that every prompt comes to its end; the rest goes to the shortest ones,
    which so begin to answer soon. Nothing is left over while a prompt has tokens.
    """
    shares = [0] * len(pending)
    if not pending:
        return shares
    shares[0] = min(pending[0], -(-budget // 2))
    left = budget - shares[0]
    for i in sorted(range(len(pending)), key=lambda i: pending[i] - shares[i]):
        more = min(pending[i] - shares[i], left)
        shares[i] += more
        left -= more
    return shares
