"""What a process and its children use, as Linux tells it: processor time and memory."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> dict[int, float]:
    """Return a process and all that it started, each with the processor seconds it used.

    Those of children that ended are part of their parent's.
    """
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It ended in this moment.
        child = int(stat.parent.name)
        parents[child] = int(fields[1])
        used[child] = sum(map(int, fields[11:15])) / TICKS
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return {member: used.get(member, 0.0) for member in found}


def cpu_s(pid: int) -> float:
    """Return the processor time that a process and its children used."""
    return sum(family(pid).values())


def resident_mb(pid: int) -> float:
    """Return the resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def proportional_mb(pid: int) -> float:
    """Return the memory of a process and its children; what several share counts once."""
    kilobytes = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024 / 1e6
