"""The reply of last resort: a text of the policy, chosen by the reason why no model answered."""

from collections.abc import Sequence

from gateway.policy.model import CannedReply
from gateway.types import Reason


def choose_reply(replies: Sequence[CannedReply], reason: Reason) -> CannedReply:
    """Return the first reply that names `reason`, else the catch-all, which a checked policy ends with."""
    for reply in replies:
        if reason in reply.when_reason:
            return reply
    for reply in replies:
        if not reply.when_reason:
            return reply
    raise LookupError(f"no canned reply for {reason}, and no catch-all")
