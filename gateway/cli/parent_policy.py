"""The policy of several workers: their parent checks each change once, and publishes the text that all take.

A worker that is started again takes what was published, whatever the operator's file has become meanwhile.
"""

import asyncio
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.cli.policy_change import PolicyFile, Reloaded
from gateway.errors import PolicyError

PUBLISHED = "policy.yaml"
"""Of the folder that workers share."""
WORKERS_TAKE_S = 10.0
"""How long a reload waits until every worker has said that it serves the new policy."""


class ParentPolicy:
    """What all workers run; `reload` changes it, and `serves` is what they say of themselves."""

    def __init__(self, file: PolicyFile, folder: Path) -> None:
        """Publish the policy; raises PolicyError."""
        self._file = file
        self._published = folder / PUBLISHED
        self._fresh = folder / "policy.new"
        self._turn = asyncio.Lock()
        self._news = asyncio.Condition()
        self._hashes: dict[int, str] = {}
        if problem := self._copy():
            raise PolicyError([problem])
        self.running = self._checked().load()
        self._fresh.replace(self._published)

    async def reload(self, *, allow_loosening: bool = False) -> Reloaded:
        """Check the file, and publish it if it may run; the workers are to be told by whoever calls."""
        async with self._turn:
            reloaded = await asyncio.to_thread(self._reload, allow_loosening)
        reloaded.log()
        return reloaded

    async def serves(self, worker: int, policy_hash: str) -> None:
        """Take down what a worker serves."""
        async with self._news:
            self._hashes[worker] = policy_hash
            self._news.notify_all()

    def has_gone(self, worker: int) -> None:
        """Take down that a worker has ended."""
        self._hashes.pop(worker, None)

    @property
    def serving(self) -> Collection[int]:
        """The workers that have said that they serve; a signal would end one that has not got so far."""
        return self._hashes.keys()

    async def all_serve(self, workers: int) -> bool:
        """Wait until every worker serves what runs; return whether they do, in the time that they have."""

        def is_so() -> bool:
            return all(self._hashes.get(worker) == self.running.hash for worker in range(workers))

        try:
            async with asyncio.timeout(WORKERS_TAKE_S), self._news:
                await self._news.wait_for(is_so)
        except TimeoutError:
            return False
        return True

    def _reload(self, allow_loosening: bool) -> Reloaded:
        if problem := self._copy():
            return Reloaded(outcome="refused", policy_hash=self.running.hash, problems=(problem,))
        policy, reloaded = self._checked().compare(self.running, allow_loosening=allow_loosening)
        if reloaded.outcome == "applied":
            self._fresh.replace(self._published)
            self.running = policy
        return reloaded

    def _copy(self) -> str | None:
        """Copy the file, so that what is checked is what is published; return what is wrong."""
        try:
            shutil.copyfile(self._file.path, self._fresh)
        except OSError as error:
            return f"{self._file.name}:1: file: cannot be read: {error.strerror}"
        return None

    def _checked(self) -> PolicyFile:
        return replace(self._file, path=self._fresh)


def file_of_worker(folder: Path, *, name: str, air_gap: bool, environ: Mapping[str, str]) -> PolicyFile:
    """Return what a worker reads: whether it may be taken was for the parent to say."""
    return PolicyFile(
        path=folder / PUBLISHED, name=name, environ=environ, air_gap=air_gap, allow_loosening=True
    )
