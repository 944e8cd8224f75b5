"""Builders of a request with one user message, and of parts and messages of a conversation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

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
    model: str = "",
    images: Sequence[gateway_pb2.Part] = (),
    tools: Sequence[gateway_pb2.Tool] = (),
) -> gateway_pb2.GenerateRequest:
    """Return a request with one user message; fields that are not given stay unset."""
    messages = [gateway_pb2.Message(role=gateway_pb2.ROLE_USER, content=text)]
    if images:
        parts = [*([gateway_pb2.Part(text=text)] if text else []), *images]
        messages = [gateway_pb2.Message(role=gateway_pb2.ROLE_USER, parts=parts)]
    if system is not None:
        messages.insert(0, gateway_pb2.Message(role=gateway_pb2.ROLE_SYSTEM, content=system))
    hint = gateway_pb2.PrivacyClass.Value(f"PRIVACY_CLASS_{privacy_class.name}") if privacy_class else None
    return gateway_pb2.GenerateRequest(
        messages=messages,
        config=gateway_pb2.GenerationConfig(max_tokens=max_tokens, temperature=temperature, tools=tools),
        hints=gateway_pb2.Hints(privacy_class=hint, max_cost_usd=max_cost_usd, allow_degraded=allow_degraded),
        labels=labels,
        request_id=request_id,
        model=model,
    )


def explain_request(
    request: gateway_pb2.GenerateRequest | gateway_pb2.EmbedRequest,
) -> gateway_pb2.ExplainRequest:
    """Return the request that asks where another one would go, and why."""
    if isinstance(request, gateway_pb2.GenerateRequest):
        return gateway_pb2.ExplainRequest.FromString(request.SerializeToString())
    return gateway_pb2.ExplainRequest(
        input=request.input,
        dimensions=request.dimensions if request.HasField("dimensions") else None,
        model=request.model,
        hints=request.hints if request.HasField("hints") else None,
        labels=request.labels,
        request_id=request.request_id,
    )


_IMAGE_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


def image_part(source: str | Path) -> gateway_pb2.Part:
    """Return a part of a user's message: an http(s) URL, or a PNG, JPEG, GIF or WebP file.

    Raises OSError for a file that cannot be read, ValueError for one of another type.
    """
    if isinstance(source, str) and source.startswith(("https://", "http://")):
        return gateway_pb2.Part(image=gateway_pb2.Image(url=source))
    path = Path(source)
    media_type = _IMAGE_TYPES.get(path.suffix.lower())
    if media_type is None:
        raise ValueError(f"{path}: is no image by its name; {', '.join(_IMAGE_TYPES)} are read")
    return gateway_pb2.Part(image=gateway_pb2.Image(data=path.read_bytes(), media_type=media_type))


def tool_result(call: gateway_pb2.ToolCall, text: str, *, is_error: bool = False) -> gateway_pb2.Message:
    """Return the message that tells a model what a tool returned to its call."""
    parts = [gateway_pb2.Part(text=text)] if text else []
    result = gateway_pb2.ToolResult(tool_call_id=call.id, parts=parts, is_error=is_error)
    return gateway_pb2.Message(role=gateway_pb2.ROLE_TOOL, parts=[gateway_pb2.Part(tool_result=result)])
