"""What the caller of a stream was sent so far, and whether it still stands."""

from dataclasses import dataclass, field

from gateway.types import Delta, Reason, Restart


@dataclass(slots=True)
class Told:
    """Text goes out as deltas of one attempt; a restart voids it, and the next attempt begins anew."""

    attempt: int = 0
    parts: list[str] = field(default_factory=list)
    void_reason: Reason | None = None
    """Why what was sent is void, until somebody else begins."""

    @property
    def text(self) -> str:
        """The text of the attempt that speaks."""
        return "".join(self.parts)

    def delta(self, text: str) -> Delta:
        """Return the next piece."""
        self.parts.append(text)
        return Delta(text=text, attempt=self.attempt)

    def cut(self, reason: Reason) -> None:
        """Note that a model failed; what was said is void, for the reason of the first that did."""
        if self.parts and self.void_reason is None:
            self.void_reason = reason

    def restart(self, model: str) -> Restart | None:
        """Return what has to be said before `model` (empty: the canned reply) begins; None if nothing."""
        if self.void_reason is None:
            return None
        restart = Restart(model=model, reason=self.void_reason)
        self.attempt += 1
        self.parts.clear()
        self.void_reason = None
        return restart
