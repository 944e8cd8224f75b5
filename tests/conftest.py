"""What holds for all tests."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import network
from tests.support.draws import PROFILE, examples

# Before numpy is loaded: its threads wait for each other by spinning: on busy cores 17 times the CPU.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long an example takes says how busy the machine is, not whether the code is right.
# Every run draws the same examples, so a change causes each failure; `make test-random` draws new ones.
settings.register_profile("gateway", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, print_blob=True)
settings.register_profile("fast", deadline=None, derandomize=True, max_examples=examples(100))
settings.load_profile(PROFILE)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script that starts the tests in the background has it ignored, by all programs that they start, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

network.watch_sockets()


@pytest.fixture(autouse=True)
def _only_loopback() -> Iterator[None]:
    """Fail a test that tried another address, even where what it tests caught the error."""
    yield
    assert network.refused() == []


def pytest_unconfigure() -> None:
    """Close what llama_cpp opens when it is imported and never closes: each would be a warning at the end."""
    if "llama_cpp._utils" in sys.modules:
        opened = sys.modules["llama_cpp._utils"]
        opened.outnull_file.close()
        opened.errnull_file.close()
