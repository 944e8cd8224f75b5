"""What holds for all tests."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Let no test log to where another one did: a captured stream is closed when its test ends."""
    yield
    structlog.reset_defaults()
