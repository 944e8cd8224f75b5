"""The egress proof of the cache."""

from tests.support.egress_cache import keep_everything
from tests.support.virtual_time import virtual_time


@virtual_time
async def test_what_is_private_is_not_kept() -> None:
    """No answer to a request above public is given to a store, and no word of any request."""
    assert await keep_everything() == []
