"""The log line of an error that nobody foresaw."""

import traceback

import structlog

_log = structlog.get_logger()


def log_defect(request_id: str, error: BaseException) -> None:
    """Log an error that nobody foresaw: its type and where it comes from."""
    # The message of an unexpected exception may hold anything, a prompt too: only type and places are logged.
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    _log.error("defect", request_id=request_id, error=type(error).__name__, places=places[-8:])
