"""The policy of several workers: their parent checks each change once, and publishes the text that all take.

A worker that is started again takes what was published, whatever the operator's file has become meanwhile.
"""

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gateway.app.reload.policy_file import ReloadResult, WatchedPolicyFile
from gateway.complexity.scorer_file import parse_scorer
from gateway.domain.files import replacing
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.server.admin.threads import in_operator_thread

PUBLISHED = "policy.json"
"""Of the folder that workers share: the text of the policy and of its scorer, read together."""
WORKERS_TAKE_S = 10.0
"""How long a reload waits until every worker has said that it serves the new policy."""


class PolicyPublisher:
    """What all workers run; `reload` changes it, and `serves` is what they say of themselves."""

    def __init__(self, file: WatchedPolicyFile, folder: Path) -> None:
        """Publish the policy; raises PolicyError, OSError."""
        self._file = file
        self._published = folder / PUBLISHED
        self._turn = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._hashes: dict[int, str] = {}
        self.running = file.load()
        self._publish(self.running)

    async def reload(self, *, allow_loosening: bool = False) -> ReloadResult:
        """Check the file, and publish it if it may run; the workers are to be told by whoever calls."""
        async with self._turn:
            reloaded = await in_operator_thread(self._reload, allow_loosening)
        reloaded.log()
        return reloaded

    async def serves(self, worker: int, policy_hash: str) -> None:
        """Take down what a worker serves."""
        async with self._changed:
            self._hashes[worker] = policy_hash
            self._changed.notify_all()

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
            async with asyncio.timeout(WORKERS_TAKE_S), self._changed:
                await self._changed.wait_for(is_so)
        except TimeoutError:
            return False
        return True

    def _reload(self, allow_loosening: bool) -> ReloadResult:
        policy, reloaded = self._file.compare(self.running, allow_loosening=allow_loosening)
        if reloaded.outcome == "applied":
            try:
                self._publish(policy)
            except OSError as error:
                said = f"{self._file.name}:1: file: cannot be handed to the workers: {error.strerror}"
                return ReloadResult(outcome="refused", policy_hash=self.running.hash, problems=(said,))
            self.running = policy
        return reloaded

    def _publish(self, policy: Policy) -> None:
        """Hand the workers what was checked, whatever its files hold by now."""
        scorer = None if policy.scorer is None else policy.scorer.text
        with replacing(self._published) as file:
            file.write(json.dumps({"policy": policy.source.text, "scorer": scorer}).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPolicy(WatchedPolicyFile):
    """What a worker reads in the place of the operator's file; `path` is still that file's."""

    published: Path

    def load(self) -> Policy:
        """Return what the parent published last; it has been checked."""
        said = json.loads(self.published.read_text())
        return parse_policy(
            said["policy"],
            name=self.name,
            air_gap=self.air_gap,
            folder=self.path.parent,
            scorer=None if said["scorer"] is None else parse_scorer(said["scorer"]),
        )
