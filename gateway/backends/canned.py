"""The reply of last resort: a text of the policy, chosen by why no model answered and by who asks. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.decision import Reason
from gateway.policy.model import RETRY_AFTER, CannedReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a reply is chosen by."""

    reason: Reason
    labels: Mapping[str, str] = field(default_factory=dict)
    languages: Sequence[str] = ()
    """Tags like `pl` or `de-AT`, the dearest to the caller first."""
    retry_after_s: float | None = None


def choose_reply(replies: Sequence[CannedReply], occasion: Occasion) -> CannedReply:
    """Return the reply that fits best; a checked policy has one that fits always.

    One that names the reason comes before one that does not, then one that names labels, then the
    caller's languages in their order, then the order of the policy.
    """
    fitting = [reply for reply in replies if _fits(reply, occasion)]
    if not fitting:
        raise LookupError(f"no canned reply for {occasion.reason}, and no catch-all")
    return min(
        fitting,
        key=lambda reply: (not reply.when_reason, not reply.when_label, _rank(reply.language, occasion)),
    )


def text_of(reply: CannedReply, occasion: Occasion) -> str:
    """Return the text, with the whole seconds after which another try makes sense where it says so."""
    after_s = occasion.retry_after_s
    return reply.text if after_s is None else reply.text.replace(RETRY_AFTER, str(math.ceil(after_s)))


def _fits(reply: CannedReply, occasion: Occasion) -> bool:
    return (
        (not reply.when_reason or occasion.reason in reply.when_reason)
        and all(occasion.labels.get(key) == value for key, value in reply.when_label.items())
        and (reply.language is None or _rank(reply.language, occasion) < len(occasion.languages))
        and (occasion.retry_after_s is not None or RETRY_AFTER not in reply.text)
    )


def _rank(language: str | None, occasion: Occasion) -> int:
    """Return the place among the caller's languages; `pl` serves `pl-PL` too. After them all: any other."""
    if language is not None:
        own = language.lower()
        for place, tag in enumerate(occasion.languages):
            if tag.lower() == own or tag.lower().startswith(f"{own}-"):
                return place
    return len(occasion.languages)
