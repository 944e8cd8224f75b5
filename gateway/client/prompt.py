"""Builder of a request with one user message."""

from collections.abc import Mapping

from gateway.domain.privacy import PrivacyClass
from gateway.v1 import gateway_pb2


def prompt(
    text: str,
    *,
    system: str | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    privacy_class: PrivacyClass | None = None,
    max_cost_usd: float | None = None,
    allow_degraded: bool | None = None,
    labels: Mapping[str, str] | None = None,
    request_id: str = "",
) -> gateway_pb2.GenerateRequest:
    """Return a request with one user message; fields that are not given stay unset."""
    messages = [gateway_pb2.Message(role=gateway_pb2.ROLE_USER, content=text)]
    if system is not None:
        messages.insert(0, gateway_pb2.Message(role=gateway_pb2.ROLE_SYSTEM, content=system))
    hint = gateway_pb2.PrivacyClass.Value(f"PRIVACY_CLASS_{privacy_class.name}") if privacy_class else None
    return gateway_pb2.GenerateRequest(
        messages=messages,
        config=gateway_pb2.GenerationConfig(max_tokens=max_tokens, temperature=temperature),
        hints=gateway_pb2.Hints(privacy_class=hint, max_cost_usd=max_cost_usd, allow_degraded=allow_degraded),
        labels=labels,
        request_id=request_id,
    )
