"""A server as a process: it is there when it answers, and its start is timed."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 300.0
"""The first start of a large program compiles some thousand modules."""
POLL_S = 0.005
END_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Started:
    """A server that answers."""

    pid: int
    address: str
    start_s: float
    """From its command line to its first answer."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.address}"


@contextmanager
def answering(
    line: Sequence[str],
    address: str,
    path: str,
    *,
    log: Path,
    env: Mapping[str, str],
    is_ready: Callable[[str], bool] = lambda said: True,
) -> Iterator[Started]:
    """Run a server until the block ends, once it answers 200 at a path and is ready by its log."""
    began_s = time.perf_counter()
    with (
        log.open("wb") as said,
        subprocess.Popen(
            line,
            env=env,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as process,
    ):
        try:
            while not (_answers(address, path) and is_ready(log.read_text(errors="replace"))):
                if process.poll() is not None or time.perf_counter() > began_s + START_TIMEOUT_S:
                    raise AssertionError(
                        f"{line[0]} did not start: {log.read_text(errors='replace')[-2000:]}"
                    )
                time.sleep(POLL_S)
            yield Started(process.pid, address, time.perf_counter() - began_s)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server, and whatever of its workers does not end with it."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=END_TIMEOUT_S)
    with suppress(ProcessLookupError):  # All have ended.
        os.killpg(process.pid, signal.SIGKILL)


def _answers(address: str, path: str) -> bool:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
