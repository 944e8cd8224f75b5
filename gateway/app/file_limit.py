"""How many files a process that serves may open: each of its connections is one."""

import contextlib
import resource

MACOS_FILES = 10_240
"""OPEN_MAX of macOS, which refuses more even where its hard limit is "unlimited"."""


def raise_file_limit() -> None:
    """Let this process, and those that it starts, open as many files as the system lets them.

    The usual soft limit of 1,024 is for programs that use `select`; a connection is a file, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    for wanted in (hard, MACOS_FILES):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return
