"""What tests of several servers are given."""

import hashlib
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.server.access import TenantRule, by_credentials
from gateway.server.key_file import KeyFile
from tests.support.tenants import KEYS


@pytest.fixture
def tenant_of(tmp_path: Path) -> TenantRule:
    """Keys of two tenants."""
    lines = [f"{hashlib.sha256(key.encode()).hexdigest()} {tenant}" for tenant, key in KEYS.items()]
    path = tmp_path / "keys.txt"
    path.write_text("\n".join(lines))
    return by_credentials(keys=KeyFile(path, clock=SystemClock()), takes_certificates=False)
