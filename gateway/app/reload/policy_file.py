"""Whether a changed policy file may take the place of the policy that runs; knows nothing of gRPC."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import structlog

from gateway.clock import Clock
from gateway.errors import PolicyError
from gateway.policy import source
from gateway.policy.diff.loosening import loosened
from gateway.policy.diff.restart import needs_restart
from gateway.policy.loading.load import load_policy
from gateway.policy.model import ModelSpec, Policy
from gateway.server.admin.threads import in_operator_thread

LOOK_EVERY_S = 1.0
"""How often a process looks at the files that it watches: the keys and, with `--watch-policy`, the policy."""
ALLOW = "--allow-loosening"

Outcome = Literal["applied", "unchanged", "refused"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadResult:
    """What came of a reload."""

    outcome: Outcome
    policy_hash: str
    """Of the policy that runs now."""
    changes: tuple[str, ...] = ()
    """In which ways it is looser than the one before, each as `file:line: key: what`."""
    problems: tuple[str, ...] = ()
    """Why it was refused, in the same form."""

    def log(self) -> None:
        """Write the one line that says it."""
        fields = {key: value for key, value in asdict(self).items() if value}
        if self.outcome == "refused":
            _log.error("policy.refused", **fields)
        elif self.outcome == "applied":
            _log.info("policy.applied", **fields)
        else:
            _log.info("policy.unchanged", **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedPolicyFile:
    """The file that holds the policy, and what its changes may be."""

    path: Path
    name: str
    """What messages call it."""
    environ: Mapping[str, str]
    """Where the keys of cloud models are."""
    air_gap: bool = False
    allow_loosening: bool = False

    def load(self) -> Policy:
        """Return what it holds now; raises PolicyError."""
        return load_policy(self.path, name=self.name, air_gap=self.air_gap)

    def compare(self, running: Policy, *, allow_loosening: bool = False) -> tuple[Policy, ReloadResult]:
        """Return what it holds and whether that may run in the place of `running`; raises nothing."""
        try:
            policy = self.load()
        except PolicyError as error:
            return running, _refused(running, error.problems)
        if policy.hash == running.hash:
            return running, ReloadResult(outcome="unchanged", policy_hash=running.hash)
        lacking = [*needs_restart(running, policy), *_missing_keys(policy, self.environ)]
        if lacking:
            return running, _refused(running, [policy.source.at(path, said) for path, said in lacking])
        changes = tuple(policy.source.at(path, message) for path, message in loosened(running, policy))
        if changes and not (allow_loosening or self.allow_loosening):
            count = "1 change is" if len(changes) == 1 else f"{len(changes)} changes are"
            said = f"{self.name}:1: file: {count} looser than the policy that runs; {ALLOW} lets it in"
            return running, _refused(running, (*changes, said))
        return policy, ReloadResult(outcome="applied", policy_hash=policy.hash, changes=changes)


def missing_key(spec: ModelSpec, environ: Mapping[str, str]) -> str | None:
    """Return what to say where the variable that holds the key of a model is not set."""
    if spec.key_variable is None or environ.get(spec.key_variable, "").strip():
        return None
    return f"the variable {spec.key_variable} is not set; set it, or take the model out of the policy"


def _missing_keys(policy: Policy, environ: Mapping[str, str]) -> Iterator[tuple[source.Path, str]]:
    for name, spec in policy.models.items():
        if said := missing_key(spec, environ):
            yield ("models", name, "api_key_env"), said


def _refused(running: Policy, problems: tuple[str, ...] | list[str]) -> ReloadResult:
    return ReloadResult(outcome="refused", policy_hash=running.hash, problems=tuple(problems))


async def watch(path: Path, on_change: Callable[[], Awaitable[object]], *, clock: Clock) -> None:
    """Call `on_change` each time that the file is another one, for ever; it is checked once a second."""
    async for _ in _changes(path, clock):
        await on_change()


async def _changes(path: Path, clock: Clock) -> AsyncIterator[None]:
    seen = await in_operator_thread(_state, path)
    while True:
        await clock.sleep(LOOK_EVERY_S)
        now = await in_operator_thread(_state, path)
        if now != seen:
            seen = now
            yield


def _state(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
