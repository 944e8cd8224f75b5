"""Requests of a user's messages."""

from collections.abc import Mapping

from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import GenerationConfig, Hints, Request


def request_of(
    *contents: str,
    config: GenerationConfig | None = None,
    hint: PrivacyClass | None = None,
    labels: Mapping[str, str] | None = None,
) -> Request:
    """Return a request with these messages of the user."""
    return Request(
        request_id="r1",
        tenant="acme",
        messages=tuple(Message(role=Role.USER, content=content) for content in contents),
        config=config or GenerationConfig(),
        hints=Hints(privacy_class=hint),
        labels=labels or {},
    )
