"""The default number of decoding threads, for a policy that does not set it.

ggml's threads spin at a barrier after every operation, so a thread without a core of its own delays all
others: on two cores, one of them used by another process, a small model decoded 2,376 tokens/s with one
thread and 96 with two. The gateway, its clients and a second engine need cores as well, so the default is
half of the physical cores that this process may use, at most `MAX_THREADS`: decoding is bound by memory
bandwidth, which a few cores exhaust."""

import os
from pathlib import Path

MAX_THREADS = 8

_SMT = Path("/sys/devices/system/cpu/smt/active")
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def choose_threads(*, logical_cpus: int, has_smt: bool, quota_cpus: float | None) -> int:
    """Return half of the physical cores within the quota, from 1 to `MAX_THREADS`."""
    physical = logical_cpus / 2 if has_smt else logical_cpus
    usable = physical if quota_cpus is None else min(physical, quota_cpus)
    return max(1, min(MAX_THREADS, int(usable / 2)))


def default_threads() -> int:
    """Return the default for this machine, its CPU affinity and its cgroup."""
    return choose_threads(
        logical_cpus=_usable_cpus(),
        has_smt=_read(_SMT).strip() == "1",
        quota_cpus=parse_quota(_read(_CGROUP_QUOTA)),
    )


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
