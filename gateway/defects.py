"""The log line of an error that nobody foresaw."""

import threading
import traceback

import structlog

_log = structlog.get_logger()


def log_thread_defects() -> None:
    """Log the errors that end threads as defects; Python would print them with their messages."""

    def log(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None:
            log_defect(ended.exc_value, thread="" if ended.thread is None else ended.thread.name)

    threading.excepthook = log


def log_defect(error: BaseException, **where: str) -> None:
    """Log an error that nobody foresaw: its type, where it comes from, and what it ended (`where`)."""
    # The message of an unexpected exception may hold anything, a prompt too: only type and places are logged.
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    _log.error("defect", **where, error=type(error).__name__, places=places[-8:])
