"""Programs in the place of Python, for tests that start an engine under conditions of their own."""

import sys
from pathlib import Path


def limited(path: Path, *, address_space_mb: int) -> str:
    """Write a Python whose memory is limited, and return its path: what needs more gets no memory."""
    return _write(path, f"ulimit -v {address_space_mb * 1024}", f'exec {sys.executable} "$@"')


def without_locking(path: Path) -> str:
    """Write a Python that may lock no memory, not for root either."""
    drop = "import ctypes; ctypes.CDLL(None).prctl(24, 14, 0, 0, 0)"  # PR_CAPBSET_DROP, CAP_IPC_LOCK.
    again = "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    return _write(path, "ulimit -l 0", f"exec {sys.executable} -c '{drop}; {again}' \"$@\"")


def failing(path: Path, *, fuse: Path) -> str:
    """Write a Python whose engine fails in the next step when `fuse` is there; see failing_engine.py."""
    engine = Path(__file__).with_name("failing_engine.py")
    # The arguments are -P -m gateway.engine, and then the engine's own.
    return _write(path, "shift 3", f'FUSE={fuse} exec {sys.executable} {engine} "$@"')


def light(fuse: Path, how: str) -> None:
    """Make the engine of `failing` fail in its next step; the file is there with its text, or not at all."""
    fresh = fuse.with_suffix(".new")
    fresh.write_text(how)
    fresh.replace(fuse)


def _write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o700)
    return str(path)
