"""What holds for all tests."""

import os
import signal
import sys

from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right.
# Every run draws the same examples, so a change causes each failure; `make test-random` draws new ones.
settings.register_profile("gateway", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("GATEWAY_HYPOTHESIS_PROFILE", "gateway"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script that starts the tests in the background has it ignored, by all programs that they start, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """Close what llama_cpp opens when it is imported and never closes: each would be a warning at the end."""
    if "llama_cpp._utils" in sys.modules:
        opened = sys.modules["llama_cpp._utils"]
        opened.outnull_file.close()
        opened.errnull_file.close()
