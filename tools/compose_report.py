"""What tools/compose_test.py and its parts say, and how they wait."""

import time
from collections.abc import Callable

from gateway.clock import SystemClock

CLOCK = SystemClock()


class Report:
    """What was checked, and whether it held."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.held = 0

    def check(self, what: str, holds: bool, found: object = "") -> None:
        """Note a check and print it."""
        self.held += holds
        if not holds:
            self.failed.append(what)
        print(f"{'ok    ' if holds else 'FAILED'}  {what}{f': {found}' if found != '' else ''}", flush=True)


def wait_for(what: str, holds: Callable[[], bool], *, within_s: float = 90.0) -> None:
    """Return when it holds; raises RuntimeError after the time."""
    until_s = CLOCK.monotonic_s() + within_s
    while not holds():
        if CLOCK.monotonic_s() > until_s:
            raise RuntimeError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.5)
