"""How a command ends: exit statuses, and the error that carries one."""

from gateway.errors import STARTUP_STATUS

ANSWERED = 0
FAILED = 1
MISUSED = STARTUP_STATUS
"""The command line, a policy or the process's surroundings are wrong; also what typer uses."""
CANNED = 3
"""A canned reply stands in for an answer: printed, but not to be taken for a model's."""
NOT_YET = 4
"""What was asked for is not there yet: a person's answer, or a request that waits for one."""


class CommandFailed(Exception):
    """A command cannot do its work; the message is one line for a person."""

    def __init__(self, message: str, *, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


WOULD_LEAK = 3
"""Of `gateway policy diff`: a request of class confidential or above would now reach the cloud."""
