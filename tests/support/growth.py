"""How the CPU time of work grows with the size of its input."""

import gc
import time
from collections.abc import Callable

GROWN = 8
"""Times as much input: linear work takes 8 times as long, quadratic work 64 times."""
MOST = 24
"""Times as long at most: a busy machine and its caches cost linear work up to twice its time."""
LEAST_S = 0.002
"""A shorter time says nothing: clocks and caches decide it."""


def grows_linearly(work: Callable[[int], object], size: int) -> bool:
    """Say whether `work(size)` takes a time that is linear in `size`, measured at an eighth and at `size`."""
    small_s, large_s = (min(_cpu_s(work, each) for _ in range(3)) for each in (size // GROWN, size))
    return large_s < MOST * max(small_s, LEAST_S)


def _cpu_s(work: Callable[[int], object], size: int) -> float:
    gc.disable()  # A collection looks at what other tests left too, and that is no part of the work.
    try:
        began_s = time.thread_time()
        work(size)
        return time.thread_time() - began_s
    finally:
        gc.enable()
