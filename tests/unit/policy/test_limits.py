"""What limits say of themselves."""

import pytest

from gateway.policy.limits import Limits


@pytest.mark.parametrize(
    ("limits", "has_tenants", "share"),
    [
        (Limits(), True, 900),
        (Limits(), False, 1000),
        (Limits(concurrency=7), True, 6),
        (Limits(concurrency=2), True, 1),
        (Limits(concurrency=1), True, 1),
        (Limits(concurrency=10, tenant_concurrency=10), True, 10),
        (Limits(concurrency=10, tenant_concurrency=3), False, 3),
    ],
)
def test_the_default_share_of_a_tenant(limits: Limits, has_tenants: bool, share: int) -> None:
    """All but a tenth of the places, and never every one of several, unless all callers are one tenant."""
    assert limits.tenant_share(has_tenants=has_tenants) == share
