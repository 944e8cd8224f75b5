"""What a caller says of caches."""

import math

import pytest

from gateway.domain.cache_control import parse_cache_control


@pytest.mark.parametrize(
    ("header", "max_age_s", "may_keep"),
    [
        ("", math.inf, True),
        ("no-cache", 0.0, True),
        ("No-Cache, no-store", 0.0, False),
        ("no-store", math.inf, False),
        ("max-age=60", 60.0, True),
        ("max-age=60 ,max-age=5", 5.0, True),
        ("max-age=0", 0.0, True),
        ("max-age=-1", 0.0, True),
        ("max-age=soon", 0.0, True),
        ("max-age=60, no-cache", 0.0, True),
        ("private, no-transform, only-if-cached", math.inf, True),
        ("not-no-cache", math.inf, True),
    ],
)
def test_directives(header: str, max_age_s: float, may_keep: bool) -> None:
    """Those of RFC 9111 that say something here; an age that cannot be read is 0."""
    said = parse_cache_control(header)

    assert (said.max_age_s, said.may_keep) == (max_age_s, may_keep)
    assert said.may_read is (max_age_s > 0.0)
