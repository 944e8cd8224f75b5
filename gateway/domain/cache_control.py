"""What a caller says of caches: directives of the header `cache-control`, as RFC 9111 names them."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheControl:
    """Whether a caller takes an answer that was made for an earlier request, and has its own kept."""

    max_age_s: float = math.inf
    """The oldest answer that it takes; 0: none."""
    may_keep: bool = True

    @property
    def may_read(self) -> bool:
        """Whether it takes any answer that was not made for this request."""
        return self.max_age_s > 0.0


ANY_AGE = CacheControl()
"""Of a caller that says nothing."""


def parse_cache_control(header: str) -> CacheControl:
    """Return what `no-cache`, `no-store` and `max-age` of a header say; other directives say nothing here.

    An age that cannot be read counts as 0: the caller does not get what it may not want.
    """
    if not header:
        return ANY_AGE
    directives = {each.strip().lower() for each in header.split(",")}
    ages = [each.removeprefix("max-age=") for each in directives if each.startswith("max-age=")]
    max_age_s = min((float(age) if age.isdecimal() else 0.0 for age in ages), default=math.inf)
    return CacheControl(
        max_age_s=0.0 if "no-cache" in directives else max_age_s, may_keep="no-store" not in directives
    )
