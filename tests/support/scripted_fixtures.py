"""Fixtures: a scripted gateway service, and where it is served."""

from collections.abc import AsyncIterator

import pytest

from tests.support.scripted_gateway import ScriptedGateway, serving


@pytest.fixture
def service() -> ScriptedGateway:
    """What answers."""
    return ScriptedGateway()


@pytest.fixture
async def target(service: ScriptedGateway) -> AsyncIterator[str]:
    """Where it is served."""
    async with serving(service) as address:
        yield address
