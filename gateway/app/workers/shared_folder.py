"""The folder that a parent shares with its workers: whoever of them ends last removes it, however it ends.

Each holds a shared lock on a file in it, which the kernel releases with the process. A folder that nobody
holds, since all were killed, is removed by the next parent.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.clock import SystemClock

PREFIX = "gateway-workers-"
LOCK = "lock"
ABANDONED_AFTER_S = 60.0
"""The least age of a folder that a stranger removes: one that is just being made is not held yet."""


@contextmanager
def made() -> Iterator[Path]:
    """Make a folder for this process and its workers, and remove it unless a worker still holds it."""
    remove_abandoned(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # Its mode is 0700.
    (folder / LOCK).touch(mode=0o600)
    with held(folder):
        yield folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder until the block ends, and remove it if nobody else does."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(lock)
        _remove_if_free(folder)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user's gateways that were killed with all their workers."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            found = folder.stat()
        except FileNotFoundError:
            continue
        if found.st_uid == os.getuid() and SystemClock().unix_s() - found.st_mtime > ABANDONED_AFTER_S:
            _remove_if_free(folder)


def _remove_if_free(folder: Path) -> None:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return  # Somebody else was the last.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
