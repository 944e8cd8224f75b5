"""A ledger from the URL that an operator gives."""

from gateway.clock import Clock
from gateway.errors import StartupError
from gateway.ledger.memory import MemoryLedger


def open_ledger(url: str, *, clock: Clock | None = None) -> MemoryLedger:
    """Open the ledger at `url`; raises StartupError when it is not one or cannot be written."""
    if url == "memory:":
        return MemoryLedger(clock=clock)
    raise StartupError(f"--state {url}: not memory: or sqlite:///absolute/path")
