"""Exit statuses of commands, and the error that carries one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import STARTUP_STATUS

ANSWERED = 0
FAILED = 1
MISUSED = STARTUP_STATUS
"""The command line, a policy or the environment is wrong; typer uses it too."""
CANNED = 3
"""A canned reply was printed instead of a model's answer."""
NOT_YET = 4
"""There is no person's answer yet, or no request that waits for one."""
WOULD_LEAK = 3
"""Of `gateway policy diff`: a request of class confidential or above would now reach the cloud."""


class CommandFailed(Exception):
    """A command cannot do its work; the message is one line for a person."""

    def __init__(self, message: str, *, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise CommandFailed with the file's name where the block cannot read it."""
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be read: {error.strerror}", status=MISUSED) from None
