"""Whether the models of a gateway fit into the memory that is free on this host, before one is loaded."""

from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.domain.model_facts import MemoryNeed
from gateway.errors import StartupError

_MB = 1_000_000
_NO_LIMIT = 1 << 60
"""Limits of a cgroup of version 1 from here on mean none: the kernel writes the largest page count."""


class MemoryGate:
    """Admits engines while all of them together fit; what was admitted once stays so, a restart included.

    What is free is read once, before the first engine loads: later the models themselves are part of it.
    """

    def __init__(self, available: Callable[[], int | None] | None = None) -> None:
        self._read = available or available_bytes
        self._is_read = False
        self.available_bytes: int | None = None
        """What was free before the first engine loaded; None where the host does not say."""
        self._needs: dict[str, MemoryNeed] = {}

    def admit(self, model: str, need: MemoryNeed) -> None:
        """Add up what a model takes; raises StartupError if that is more than there is."""
        if model in self._needs:
            return
        if not self._is_read:
            self._is_read, self.available_bytes = True, self._read()
        left = self.left_bytes()
        if left is not None and need.total_bytes > left:
            raise StartupError(self._refusal(model, need, left))
        self._needs[model] = need

    def left_bytes(self) -> int | None:
        """Return what the admitted engines leave of the memory; None where the host does not say."""
        if self.available_bytes is None:
            return None
        return max(0, self.available_bytes - sum(need.total_bytes for need in self._needs.values()))

    def _refusal(self, model: str, need: MemoryNeed, left: int) -> str:
        beside = f" beside {', '.join(self._needs)}" if self._needs else ""
        return (
            f"model {model}: needs {_mb(need.total_bytes)} MB of memory (weights {_mb(need.weights_bytes)}, "
            f"KV cache {_mb(need.cache_bytes)}, buffers {_mb(need.compute_bytes)}), and this host has "
            f"{_mb(left)} MB left{beside}; "
            f"take a smaller quantization, or lower kv_cells, slots or context"
        )


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return how much can be allocated without swapping: of the host, and within each cgroup around us.

    None where neither says, as on systems other than Linux. `root` is the root folder.
    """
    found = [*_of_host(root), *_of_cgroups(root)]
    return min(found, default=None)


def _of_host(root: Path) -> Iterator[int]:
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            yield int(value.split()[0]) * 1024


def _of_cgroups(root: Path) -> Iterator[int]:
    """Yield what each cgroup leaves that limits this process: its own, and those around it."""
    mounted = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = mounted / "memory" if controllers else mounted
        folder = base / path.lstrip("/")
        # In a container the path may be that of the host, where what is mounted is the container's own.
        for each in (folder, *folder.parents):
            if each == base or base in each.parents:
                yield from _of_cgroup(each)


def _of_cgroup(folder: Path) -> Iterator[int]:
    """Yield limit - use + file pages, which the kernel takes back before it refuses."""
    for limit_name, use_name, file_names in (
        ("memory.max", "memory.current", ("inactive_file", "active_file")),
        ("memory.high", "memory.current", ("inactive_file", "active_file")),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
    ):
        limit, use = _read(folder / limit_name).strip(), _read(folder / use_name).strip()
        if limit.isdigit() and use.isdigit() and int(limit) < _NO_LIMIT:
            stat = dict(line.split(" ", 1) for line in _read(folder / "memory.stat").splitlines())
            pages = sum(int(stat.get(name, "0")) for name in file_names)
            yield max(0, int(limit) - int(use) + pages)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _mb(count: int) -> str:
    return f"{count / _MB:,.0f}"
