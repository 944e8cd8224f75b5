"""Every door of the gateway, asked the same question: gRPC, and HTTP's three dialects, whole and streamed."""

import json
import math
from collections.abc import AsyncIterable, Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
import pytest

from gateway.client.failure import failure_of
from gateway.v1 import gateway_pb2 as pb
from tests.support.raw_http import exchanged
from tests.support.served import Served

REQUEST_ID = "r-1"
PUSHBACK = "grpc-retry-pushback-ms"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every door can be asked; a canned reply is declined."""

    text: str = "hello"
    model: str = ""
    temperature: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """What a caller is told of a refusal."""

    word: str
    """The reason over gRPC, the error's code over HTTP."""
    status: str | int
    may_retry: bool
    retry_after_s: int | None
    """Rounded up."""
    request_id: str


class Door(Protocol):
    """A way to ask."""

    @property
    def method(self) -> str:
        """What the gateway calls it."""
        ...

    async def refused(self, gateway: Served, question: Question) -> Refused:
        """Ask, and return how it is refused."""
        ...


@dataclass(frozen=True)
class GrpcDoor:
    """`Generate` and `StreamGenerate`."""

    streams: bool = False

    @property
    def method(self) -> str:
        """The method of the service."""
        return "StreamGenerate" if self.streams else "Generate"

    async def refused(self, gateway: Served, question: Question) -> Refused:
        """Ask; gRPC's client raises."""
        kind = pb.StreamGenerateRequest if self.streams else pb.GenerateRequest
        message = kind(
            request_id=REQUEST_ID,
            messages=[pb.Message(role=pb.ROLE_USER, content=question.text)],
            config=pb.GenerationConfig(temperature=question.temperature, max_tokens=16),
            hints=pb.Hints(allow_degraded=False),
            labels=question.labels,
            model=question.model,
        )
        metadata = (("authorization", f"Bearer {question.key}"),) if question.key else ()
        if isinstance(message, pb.GenerateRequest):
            answer: Awaitable[object] = gateway.stub.Generate(message, metadata=metadata)
        else:
            answer = _last(gateway.stub.StreamGenerate(message, metadata=metadata))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answer
        failure, trailers = failure_of(caught.value), dict(caught.value.trailing_metadata() or ())
        pushback = trailers.get(PUSHBACK)
        wait_ms = None if pushback is None else int(pushback)
        may_retry = wait_ms is None or wait_ms >= 0
        return Refused(
            word=failure.reason,
            status=failure.code,
            may_retry=may_retry,
            retry_after_s=math.ceil(wait_ms / 1000) if wait_ms is not None and may_retry else None,
            request_id=failure.request_id,
        )


async def _last(events: AsyncIterable[object]) -> object:
    return [event async for event in events][-1]


@dataclass(frozen=True)
class HttpDoor:
    """A dialect at its path."""

    method: str
    path: str
    streams: bool = False

    async def refused(self, gateway: Served, question: Question) -> Refused:
        """Ask; an error is a status in one piece, also of a stream that has not begun."""
        headers = {
            "x-gateway-request-id": REQUEST_ID,
            **{f"x-gateway-label-{name}": value for name, value in question.labels.items()},
        }
        if question.key:
            headers["authorization"] = f"Bearer {question.key}"
        body = json.dumps(self._body(question)).encode()
        told = await exchanged(gateway.http_address, self.path, body, headers=headers)
        assert told.headers["content-type"].startswith("application/json")
        retry_after = told.headers.get("retry-after")
        return Refused(
            word=told.json["error"]["code"],
            status=told.status,
            may_retry=told.headers.get("x-should-retry") != "false",
            retry_after_s=None if retry_after is None else int(retry_after),
            request_id=told.headers["x-gateway-request-id"],
        )

    def _body(self, question: Question) -> dict[str, Any]:
        turns = [{"role": "user", "content": question.text}]
        body: dict[str, Any] = {"model": question.model or "auto", "stream": self.streams}
        match self.method:
            case "Responses":
                body |= {"input": question.text, "max_output_tokens": 16}
            case "Messages":
                body |= {"messages": turns, "max_tokens": 16}
            case _:
                body |= {"messages": turns, "max_tokens": 16}
        return body if question.temperature is None else {**body, "temperature": question.temperature}


GRPC = GrpcDoor()
DOORS: Mapping[str, Door] = {
    "gRPC": GRPC,
    "gRPC, streamed": GrpcDoor(streams=True),
    "chat": HttpDoor("ChatCompletions", "/v1/chat/completions"),
    "chat, streamed": HttpDoor("ChatCompletions", "/v1/chat/completions", streams=True),
    "responses": HttpDoor("Responses", "/v1/responses"),
    "responses, streamed": HttpDoor("Responses", "/v1/responses", streams=True),
    "messages": HttpDoor("Messages", "/v1/messages"),
    "messages, streamed": HttpDoor("Messages", "/v1/messages", streams=True),
}
