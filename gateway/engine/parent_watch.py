"""End a process when its parent ends: the process that started it and holds its standard input.

The kernel closes the parent's end of the pipe however the parent ends, and a thread reads the other end.
While the process is stopped (SIGSTOP), that thread does not run. So the process asks the kernel to send
SIGCONT when the parent ends. The thread then sees the closed pipe, and removes the socket and its folder,
which SIGKILL would leave behind.

PR_SET_PDEATHSIG acts when the *thread* that started the process ends. SIGCONT does nothing to a running
process; SIGKILL would end an engine whose parent still runs without that thread.
"""

import contextlib
import ctypes
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

EXIT_PARENT_GONE = 3
"""Exit status: the parent closed standard input or ended."""
_PR_SET_PDEATHSIG = 1


def wake_with_parent() -> None:
    """Let the kernel wake this process, if it is stopped, when its parent ends; Linux only.

    Call it first: a process that is stopped before this call, in its first half second, stays stopped.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)


def watch_parent(pipe: io.RawIOBase, socket: Path, on_word: Callable[[], None]) -> None:
    """End the process when the parent's pipe closes: nothing else stops it after the gateway is killed.

    `on_word` is called when the parent writes, which allows the engine to load.
    """
    while pipe.read(1024):
        on_word()
    with contextlib.suppress(OSError):  # A killed parent leaves the socket and its folder behind.
        socket.unlink(missing_ok=True)
        socket.parent.rmdir()
    os._exit(EXIT_PARENT_GONE)
