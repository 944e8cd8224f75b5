"""The number of decoding threads, for a policy that does not set it: as many as are fastest while it serves.

ggml's threads wait for each other after every operation, so a thread without a core of its own delays all
others: with two threads on two cores a token takes two thirds of the time of one thread, and three times as
long where others want both cores. Which of both holds is known only while answers are generated, with the
event loops, the gateway and its clients awake. So decoding begins with all physical cores that this process
may use, at most `MAX_THREADS`, and now and then compares steps with half of them.
"""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

MAX_THREADS = 8
PAIRS = 5
"""Pairs of steps in a comparison."""
WORTH = 1.1
"""How much faster the other number must be to be chosen, by the median of the pairs."""
MIN_WAIT_S = 0.5
"""Seconds of decoding between two comparisons; doubled each time that the choice was right."""
MAX_WAIT_S = 8.0
MAX_ROWS = 32
"""A step of more rows reads a prompt: no two such steps are alike."""

_SMT = Path("/sys/devices/system/cpu/smt/active")
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def choose_threads(*, logical_cpus: int, has_smt: bool, quota_cpus: float | None, share: float = 0.5) -> int:
    """Return a share of the physical cores within the quota, from 1 to `MAX_THREADS`."""
    physical = logical_cpus / 2 if has_smt else logical_cpus
    usable = physical if quota_cpus is None else min(physical, quota_cpus)
    return max(1, min(MAX_THREADS, int(usable * share)))


def default_threads(share: float = 0.5) -> int:
    """Return a share of the cores of this machine, by CPU affinity and cgroup."""
    return choose_threads(
        logical_cpus=_usable_cpus(),
        has_smt=_read(_SMT).strip() == "1",
        quota_cpus=parse_quota(_read(_CGROUP_QUOTA)),
        share=share,
    )


def thread_choices() -> tuple[int, ...]:
    """Return what may be the best number, the likeliest first: all cores, or half of them."""
    return tuple(sorted({default_threads(), default_threads(1.0)}, reverse=True))


class ThreadTuner:
    """Finds by the steps of a model with how many threads they are fastest; for the decoding thread.

    A comparison is `PAIRS` pairs of steps with as many rows, one with each number.
    """

    def __init__(self, choices: Sequence[int]) -> None:
        """`choices` are one number or two, the one to begin with first."""
        self._best, self._other = choices[0], choices[-1]
        self._unpaired_s: dict[int, float] = {}
        """Seconds of steps with the best number that wait for their pair, by rows."""
        self._ratios: list[float] = []
        """Of the pairs of the running comparison: the time with the other number over that with the best."""
        self._wait_s = MIN_WAIT_S
        self._left_s = 0.0
        """Seconds of decoding until the next comparison."""

    @property
    def threads(self) -> int:
        """The best number so far."""
        return self._best

    def threads_for(self, rows: int) -> int:
        """Return with how many threads the next step is to run."""
        is_pair = self._left_s <= 0 and rows in self._unpaired_s
        return self._other if is_pair else self._best

    def record(self, rows: int, threads: int, taken_s: float) -> None:
        """Take how long a step with `threads_for(rows)` threads took."""
        if self._left_s > 0 or rows > MAX_ROWS or self._best == self._other:
            self._left_s -= taken_s
        elif threads == self._best:
            self._unpaired_s[rows] = taken_s
        else:
            self._ratios.append(taken_s / self._unpaired_s.pop(rows))
            if len(self._ratios) == PAIRS:
                self._conclude()

    def _conclude(self) -> None:
        if WORTH * statistics.median(self._ratios) < 1.0:
            self._best, self._other = self._other, self._best
            self._wait_s = MIN_WAIT_S
        else:
            self._wait_s = min(2 * self._wait_s, MAX_WAIT_S)
        self._left_s = self._wait_s
        self._unpaired_s, self._ratios = {}, []


def parse_quota(text: str) -> float | None:
    """Return the CPUs that a cgroup's `cpu.max` ("quota period", "max period") allows; None: all."""
    quota, _, period = text.strip().partition(" ")
    if not quota.isdigit() or not period.isdigit():
        return None
    return int(quota) / int(period)


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
