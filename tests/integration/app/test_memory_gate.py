"""What is free on a host, read from folders that look like /proc and /sys, and who is let in."""

from pathlib import Path

import pytest

from gateway.domain.model_facts import MemoryNeed
from gateway.engine_host.memory import MemoryGate, available_bytes
from gateway.errors import StartupError

MB = 1_000_000
HOST_KIB = 8_000_000
HOST = HOST_KIB * 1024
UNLIMITED_V1 = "9223372036854771712"


def host(root: Path, files: dict[str, str]) -> Path:
    """Write files below a folder that stands for the root folder of a host."""
    for name, text in {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable:  {HOST_KIB} kB\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(folder: str, *, limit: str, use: int, pages: int, high: str = "max") -> dict[str, str]:
    """Return the files of a cgroup of version 2."""
    at = f"sys/fs/cgroup/{folder}"
    return {
        f"{at}/memory.max": limit,
        f"{at}/memory.high": high,
        f"{at}/memory.current": str(use),
        f"{at}/memory.stat": f"anon 5\ninactive_file {pages}\nactive_file 1\n",
    }


def v1(folder: str, *, limit: str, use: int) -> dict[str, str]:
    """Return the files of a cgroup of version 1."""
    at = f"sys/fs/cgroup/memory/{folder}"
    return {
        f"{at}/memory.limit_in_bytes": limit,
        f"{at}/memory.usage_in_bytes": str(use),
        f"{at}/memory.stat": "cache 9\ntotal_inactive_file 100\ntotal_active_file 20\n",
    }


OWN = {"proc/self/cgroup": "0::/team/gateway\n"}
OWN_V1 = {"proc/self/cgroup": "5:cpu:/x\n4:memory,foo:/docker/abc\n1:name=systemd:/y\n"}


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, HOST),
        (OWN, HOST),
        (OWN | v2("team/gateway", limit="max", use=7, pages=0), HOST),
        (OWN | v2("team/gateway", limit="1000", use=900, pages=300), 401),
        (OWN | v2("team/gateway", limit="max", high="800", use=500, pages=0), 301),
        (OWN | v2("team/gateway", limit="100", use=900, pages=0), 0),
        (OWN | v2("team", limit="5000", use=4000, pages=9) | v2("team/gateway", limit="max", use=1, pages=0),
         1010),
        ({"proc/self/cgroup": "0::/\n"} | v2("", limit="2000", use=500, pages=0), 1501),
        (OWN_V1 | v1("docker/abc", limit=UNLIMITED_V1, use=5), HOST),
        (OWN_V1 | v1("docker/abc", limit="1000", use=500), 620),
        (OWN_V1 | v1("", limit="3000", use=1000), 2120),
    ],
    ids=[
        "host alone", "no such cgroup", "no limit", "limit and file pages", "throttled", "over its limit",
        "the one around it", "of a container", "v1 without a limit", "v1", "v1 in a container",
    ],
)  # fmt: skip
def test_what_is_free(tmp_path: Path, files: dict[str, str], left: int) -> None:
    """The least of the host and every cgroup around the process; file pages can be taken back."""
    assert available_bytes(host(tmp_path, files)) == left


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    """Without /proc nothing is known, and nothing is refused."""
    assert available_bytes(tmp_path) is None
    gate = MemoryGate(lambda: None)
    gate.admit("edge", need(10**9))
    assert gate.left_bytes() is None


def test_this_machine_says() -> None:
    """The real files are read, too."""
    assert (available_bytes() or 0) > 0


def need(weights_mb: int) -> MemoryNeed:
    """Return the need of a model, of which the cache takes 20 MB and the buffers 10."""
    return MemoryNeed(weights_bytes=weights_mb * MB, cache_bytes=20 * MB, compute_bytes=10 * MB)


def test_engines_of_one_policy_are_added_up() -> None:
    """Each would fit alone; the one that is too much is refused with what there is and the way out."""
    gate = MemoryGate(lambda: 1000 * MB)
    gate.admit("small", need(300))
    gate.admit("large", need(570))

    with pytest.raises(StartupError) as refused:
        gate.admit("third", need(500))
    assert str(refused.value) == (
        "model third: needs 530 MB of memory (weights 500, KV cache 20, buffers 10), and this host has 70 MB "
        "left beside small, large; take a smaller quantization, or lower kv_cells, slots or context"
    )
    gate.admit("fourth", need(40))


def test_a_restart_is_not_counted_again() -> None:
    """What is free is read before the first model loads: later the models themselves use it."""
    free = [1000 * MB, 0]
    gate = MemoryGate(lambda: free.pop(0))
    for _ in range(3):
        gate.admit("edge", need(900))

    assert gate.left_bytes() == 70 * MB
    assert free == [0]
