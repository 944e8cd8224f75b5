"""Requests of a user's messages."""

from collections.abc import Mapping

from gateway.types import GenerationConfig, Hints, Message, PrivacyClass, Request, Role


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
