"""A gateway process of a test, and what it logs."""

import asyncio
import json
from dataclasses import dataclass, field

from tests.support.waiting import until


@dataclass
class LoggedProcess:
    """A process that logs JSON; what it says besides is why it did not start."""

    process: asyncio.subprocess.Process
    logs: list[dict[str, object]] = field(default_factory=list, kw_only=True)
    said: list[str] = field(default_factory=list, kw_only=True)

    @property
    def address(self) -> str:
        """Where it listens: the kernel chooses a free port, since one that a test chooses may be taken."""
        return self.last("gateway.serving", "listen")

    @property
    def metrics(self) -> str:
        """Where its page of metrics is; a worker that was started again has another one."""
        return self.last("metrics.serving", "address")

    def last(self, event: str, name: str) -> str:
        """Return a field of the last line of an event."""
        return next(str(entry[name]) for entry in reversed(self.logs) if entry["event"] == event)

    def count(self, event: str) -> int:
        """Return how often an event was logged."""
        return sum(entry["event"] == event for entry in self.logs)

    async def read(self) -> None:
        """Take in what is logged, until the end."""
        while self.process.stderr is not None and (line := await self.process.stderr.readline()):
            if line.startswith(b"{"):
                self.logs.append(json.loads(line))
            else:
                self.said.append(line.decode())

    async def wait_serving(self, workers: int) -> None:
        """Return when so many workers serve; fails with its own words where it ended instead."""
        await until(lambda: self.count("gateway.serving") == workers or self.process.returncode is not None)
        assert self.process.returncode is None, self.said
