"""Finds a model file and checks that it is the one that the policy names."""

import os
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from gateway.clock import Clock
from gateway.domain.files import sha256_of_file
from gateway.errors import StartupError
from gateway.policy.builtin import DEMO, PREFIX, added_file, builtin_problem

_MAGIC = b"GGUF"


class Progress:
    """Reports progress for a log: each tenth at most once, at most one report a second."""

    def __init__(self, phase: str, report: Callable[[str, int], None], *, clock: Clock) -> None:
        self._phase = phase
        self._report = report
        self._clock = clock
        self._next_percent = 10
        self._next_s = clock.monotonic_s() + 1.0

    def update(self, share: float) -> None:
        """Take the share that is done, from 0 to 1."""
        percent, now_s = int(share * 100), self._clock.monotonic_s()
        if percent >= self._next_percent and now_s >= self._next_s:
            self._next_percent = percent - percent % 10 + 10
            self._next_s = now_s + 1.0
            self._report(self._phase, percent)


def resolve_model_path(path: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file of a policy's `path`; raises StartupError for a built-in model that is not there."""
    if not path.startswith(PREFIX):
        return Path(path).expanduser()
    if path == DEMO:
        return Path(str(files("gateway.engine").joinpath("demo.gguf")))
    if problem := builtin_problem(path):
        raise StartupError(f"path: {path}: {problem}")
    name = path.removeprefix(PREFIX)
    file = added_file(name, environ)
    if not file.is_file():
        raise StartupError(f"{path}: is not on this host ({file}); run: gateway models add {name}")
    return file


def check_model_file(
    path: Path, *, sha256: str | None, on_progress: Callable[[float], None] = lambda share: None
) -> None:
    """Raise StartupError unless `path` is a readable GGUF file with this hash (None: any).

    Hashing the file fills the page cache, from which it is then mapped.
    """
    try:
        with path.open("rb") as file:
            is_gguf = file.read(len(_MAGIC)) == _MAGIC
        found = sha256_of_file(path, on_progress=on_progress) if is_gguf and sha256 is not None else None
    except FileNotFoundError:
        raise StartupError(f"{path}: no such file; correct the model's path") from None
    except OSError as error:
        raise StartupError(
            f"{path}: cannot be read ({error.strerror}); correct the path or its permissions"
        ) from error
    if not is_gguf:
        raise StartupError(f"{path}: is not a GGUF file; convert the model or correct the path")
    if found != sha256:
        raise StartupError(
            f"{path}: its sha256 is {found}, but the policy says {sha256}; "
            "fetch the file again or correct the policy"
        )
