"""The number of decoding threads, for a policy that does not set it: half of the cores, or all.

ggml's threads wait for each other after every operation, so a thread without a core of its own delays all
others; the gateway, its clients and a second engine need cores as well, and a few cores exhaust the memory
bandwidth that decoding a large model needs. So it is half of the physical cores that this process may use, at
most `MAX_THREADS`, unless twice as many are clearly faster when the model is loaded."""

import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.clock import Clock

MAX_THREADS = 8
MEASURE_S = 0.4
"""Seconds that measuring may take, and a step more; a model that takes half of it for a token has no need."""
STEPS = 9
"""Most steps that are measured with each number of threads."""
WORTH = 1.2
"""How much faster the larger number must be to be chosen."""

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
    """Return what may be the best number: half of the cores, or all."""
    return tuple(sorted({default_threads(), default_threads(1.0)}))


def fastest(choices: Sequence[int], step: Callable[[int], None], clock: Clock) -> int:
    """Return with how many threads a step is fastest; with more than the first only if it is clearly so."""
    taken_s: dict[int, list[float]] = {count: [] for count in choices}
    begun_s = clock.monotonic_s()
    for turn in range(STEPS if len(choices) > 1 else 0):
        for count in choices:
            start_s = clock.monotonic_s()
            step(count)
            taken_s[count].append(clock.monotonic_s() - start_s)
            if turn == 0 and taken_s[count][0] > MEASURE_S / 2:
                return choices[0]
        if clock.monotonic_s() - begun_s > MEASURE_S:
            break
    best = choices[0]
    for count in choices[1:]:
        if WORTH * statistics.median(taken_s[count]) < statistics.median(taken_s[best]):
            best = count
    return best


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
