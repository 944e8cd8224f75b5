"""A process that ends with its owner: the one that started it and holds its standard input.

The kernel closes the owner's end of the pipe however the owner ends, and a thread that reads the other end
is all that it takes: unless the process is stopped (SIGSTOP), when no thread of it runs. So it asks the
kernel for SIGCONT when its owner ends: the thread goes on, finds the pipe closed, and ends the process with
its socket and folder, which SIGKILL would leave behind.

PR_SET_PDEATHSIG takes the end of the *thread* that started the process for its owner's end. To a process
that runs, SIGCONT means nothing; SIGKILL would end an engine whose owner lives on without that thread.
"""

import contextlib
import ctypes
import io
import os
import signal
import sys
from pathlib import Path

EXIT_OWNER_GONE = 3
"""The owner closed standard input, or is no more."""
_PR_SET_PDEATHSIG = 1


def wake_with_parent() -> None:
    """Let the kernel wake this process, if it is stopped, when its owner ends; Linux only.

    To be called first: a process that is stopped before it, in its first half second, stays stopped.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)


def watch_parent(owner: io.RawIOBase, socket: Path) -> None:
    """End the process when its owner's pipe ends: nobody would stop it after a kill of the gateway."""
    while owner.read(1024):
        pass
    with contextlib.suppress(OSError):  # A killed owner leaves the socket and its folder behind.
        socket.unlink(missing_ok=True)
        socket.parent.rmdir()
    os._exit(EXIT_OWNER_GONE)
