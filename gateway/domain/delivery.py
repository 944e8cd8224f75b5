"""How a caller takes an answer."""

from enum import Enum


class Delivery(Enum):
    """Whole, or in pieces; only some callers in pieces can be told to drop what they have."""

    WHOLE = "whole"
    PIECES = "pieces"
    """A Restart may void the pieces so far."""
    FINAL_PIECES = "final pieces"
    """No Restart: where an answer breaks off and cannot go on word for word, the stream fails."""

    @property
    def is_streamed(self) -> bool:
        """Whether pieces are sent."""
        return self is not Delivery.WHOLE
