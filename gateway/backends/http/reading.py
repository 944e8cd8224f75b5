"""What every reader of a provider's answer may say of it: an error in its place, or something odd."""

from collections.abc import Callable
from typing import Final

from gateway.backends.http.bounds import UnreadableAnswer

Note = Callable[[str], None]
"""Told in a fixed word what was odd about an answer that counts all the same."""
FINISH_UNKNOWN: Final = "finish_reason_unknown"
FINISH_ABSENT: Final = "finish_reason_absent"
USAGE_IMPOSSIBLE: Final = "usage_impossible"


class ErrorEvent(UnreadableAnswer):
    """An answer that began with status 200 is an error, or brought one; `error` is what it said."""

    def __init__(self, error: object) -> None:
        super().__init__("an error event")
        self.error = error
