"""How Python's interpreter is set for a process that serves: no pause of it may delay all callers."""

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from contextlib import suppress

from gateway.clock import Clock

SWITCH_S = 0.0005
"""How long the event loop keeps the interpreter while the ledger's thread waits; Python's default is 5 ms.

The thread waits once for each statement of SQL, and whoever reserves waits for all statements before.
"""

COLLECTIONS = (2_000, 5, 100)
"""The thresholds of the garbage collector: new objects, then collections of each younger generation.

A collection of everything comes with each million of new objects, not with each 70,000: a thousand calls that
begin have that many, and to look through them takes as long as a hundred calls.
"""

GROWTH_BYTES = 256 * 1024 * 1024
LOOK_EVERY_S = 5.0


def set_for_serving() -> None:
    """Have threads wait less, and the garbage collector look no more at what was built until now.

    What the C library has kept of freed memory goes back to the system.

    Called when a process is about to serve: modules, word lists and policies stay until it ends, and to look
    through them takes a tenth of a second, in which no caller is answered.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)
    with suppress(AttributeError):  # Of glibc alone.
        ctypes.CDLL(None).malloc_trim(0)


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


async def collect_when_grown(clock: Clock, *, used_bytes: Callable[[], int] = peak_bytes) -> None:
    """Collect everything each time the process has grown by `GROWTH_BYTES`.

    The garbage collector counts objects, whatever their size. What refers to itself in a circle, as errors of
    calls do, may hold the megabyte that a call was sent, and so many would be kept until a million objects
    have been made.
    """
    before = used_bytes()
    while True:
        await clock.sleep(LOOK_EVERY_S)
        if used_bytes() > before + GROWTH_BYTES:
            gc.collect()
            before = used_bytes()
