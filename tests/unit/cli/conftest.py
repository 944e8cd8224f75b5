"""What tests of several commands are given."""

from pathlib import Path

import pytest

from tests.support.records_made import POLICY


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The policy of the records, of which `hard` is the rule with a threshold."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path
