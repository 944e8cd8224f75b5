"""What the parent of several workers says of its engines: one small file, written by it, read by them.

A worker reads the file five times a second. Until it notices, a call to an engine that has died fails as such
at the socket, and is tried elsewhere.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.domain.capability import Capability
from gateway.domain.files import replacing
from gateway.server.admin.threads import in_operator_thread
from gateway.server.admin.worker import WorkerIdentity

BOARD_VARIABLE = "GATEWAY_ENGINE_BOARD"
"""Set by the parent in the environment of its workers: the path of the file."""
WORKER_VARIABLE = "GATEWAY_WORKER"
"""Set by the parent, too: the worker's number, from 0, and how many there are, as in `0/4`. A worker has the
number of the one whose place it takes."""
READ_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredEngine:
    """Where an engine is, and whether it takes requests."""

    target: str
    generation: int
    is_serving: bool
    load_s: float = 0.0
    """Seconds that the last loading took."""
    lacking: tuple[str, ...] = ()
    """What its model cannot do, in the words of `Capability`."""


def write_board(path: Path, engines: Mapping[str, RegisteredEngine]) -> None:
    """Write the file whole: a reader sees the old one or the new one."""
    with replacing(path) as file:
        file.write(json.dumps({name: asdict(state) for name, state in engines.items()}).encode())


def read_board(path: Path) -> dict[str, RegisteredEngine]:
    """Return what the parent wrote last."""
    return {
        name: RegisteredEngine(**state | {"lacking": tuple(state["lacking"])})
        for name, state in json.loads(path.read_text()).items()
    }


def place_of(environ: Mapping[str, str] = os.environ) -> WorkerIdentity:
    """Return which worker of its parent this process is; the only one where it is its own parent."""
    if BOARD_VARIABLE not in environ:
        return WorkerIdentity()
    number, _, count = environ[WORKER_VARIABLE].partition("/")
    return WorkerIdentity(number=int(number), count=int(count), folder=Path(environ[BOARD_VARIABLE]).parent)


def board_of(environ: Mapping[str, str] = os.environ) -> "EngineRegistry | None":
    """Return the board that this process was started with; None where it is its own parent."""
    path = environ.get(BOARD_VARIABLE)
    return None if path is None else EngineRegistry(Path(path))


class SharedEngine:
    """An engine of the parent, as a backend sees it."""

    def __init__(self, state: RegisteredEngine) -> None:
        self.state = state

    @property
    def target(self) -> str:
        """Its address for gRPC."""
        return self.state.target

    @property
    def generation(self) -> int:
        """How often it was started."""
        return self.state.generation

    @property
    def load_s(self) -> float:
        """Seconds that the last loading took."""
        return self.state.load_s

    @property
    def is_serving(self) -> bool:
        """Whether it takes requests."""
        return self.state.is_serving

    @property
    def lacking(self) -> frozenset[Capability]:
        """What its model cannot do."""
        return frozenset(map(Capability, self.state.lacking))


class EngineRegistry:
    """All engines of the parent, kept up to date."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.engines = {name: SharedEngine(state) for name, state in read_board(path).items()}

    async def watch(self, clock: Clock, on_status: Callable[[str, bool], None]) -> None:
        """Report every engine once and then each change, for ever."""
        for name, engine in self.engines.items():
            on_status(name, engine.is_serving)
        while True:
            await clock.sleep(READ_EVERY_S)
            for name, state in (await in_operator_thread(read_board, self._path)).items():
                was_serving, self.engines[name].state = self.engines[name].is_serving, state
                if state.is_serving != was_serving:
                    on_status(name, state.is_serving)
