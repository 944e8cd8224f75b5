"""A loaded model of any sort as the engine process runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.engine.v1 import engine_pb2_grpc

Fact = str | int | bool | tuple[str, ...] | Mapping[str, object]
"""Something that the supervisor is told of a loaded model."""


class Runnable(Protocol):
    """What the thread of a model runs."""

    def run(self) -> None:
        """Return when closed; raise DecodeFailed when the model cannot continue."""
        ...


class Runner(Runnable, Protocol):
    """The same with what its process has to know of it."""

    iterations: int
    """Steps since the start."""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        ...

    def close(self) -> None:
        """Let `run` return."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEngine:
    """A model with what serves and runs it."""

    service: engine_pb2_grpc.EngineServiceServicer
    runner: Runner
    facts: Mapping[str, Fact]
    """What the supervisor is told when it is ready."""
    close: Callable[[], None]
    """Frees the model."""
    is_hung: Callable[[], bool] = lambda: False
    """Whether something other than the runner hangs."""
