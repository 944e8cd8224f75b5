"""A request with placeholders in the place of private values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.types import PrivacyClass, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """A request as a model may see it; lives as long as the request does."""

    request: Request
    privacy_class: PrivacyClass
    """The class of what is left."""
    values: Mapping[str, str] = field(repr=False)
    """What each placeholder stands for, by its word in lower case."""
    counts: Mapping[str, int]
    """How many places were masked, by type."""
