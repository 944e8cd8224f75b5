"""A streamed answer for callers: its events, the text so far, and an error if it ends incomplete."""

from typing import Any, Self

import grpc

from gateway.client.failure import CallFailed, StreamIncomplete, failure_of
from gateway.v1 import gateway_pb2


class Transcript:
    """State of a streamed answer after the events so far; pure."""

    def __init__(self) -> None:
        self.decision: gateway_pb2.Decision | None = None
        """The decision; the first event carries it."""
        self.text = ""
        """The answer so far: a restart empties it, and the last message replaces it."""
        self.reasoning = ""
        """What the model thought so far; a restart empties it."""
        self._has_call = False
        self._completed: gateway_pb2.GenerateResponse | None = None

    @property
    def answer(self) -> gateway_pb2.GenerateResponse:
        """The whole answer, after the last event; raises StreamIncomplete before that."""
        if self._completed is None:
            raise StreamIncomplete(
                code="ABORTED",
                message="the stream ended without its last message: the answer is not complete",
            )
        return self._completed

    def note(self, event: gateway_pb2.StreamGenerateResponse) -> None:
        """Update the state by the next event."""
        match event.WhichOneof("event"):
            case "decision":
                self.decision = event.decision
            case "delta":
                self.text += event.delta.text
                self.reasoning += event.delta.reasoning
                self._has_call = self._has_call or event.delta.HasField("tool_call")
            case "restart":
                self.text = self.reasoning = ""
            case "completed":
                self._completed = event.completed
                self.text = event.completed.text

    def failure(self, error: grpc.RpcError) -> CallFailed:
        """Return the client's error for the gRPC error that ended the stream."""
        return failure_of(error, has_text=bool(self.text or self.reasoning or self._has_call))


class AnswerStream(Transcript):
    """The events of one streamed answer, for `async with` and `async for`; raises CallFailed only.

    The loop ends normally only after `completed`; a stream that ends otherwise raises, StreamIncomplete if
    part of the answer was received. Leaving `async with` early cancels the call, which stops the model.
    """

    def __init__(self, call: Any) -> None:
        super().__init__()
        self._call = call

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> gateway_pb2.StreamGenerateResponse:
        try:
            event = await self._call.read()
        except grpc.RpcError as error:
            raise self.failure(error) from error
        if not isinstance(event, gateway_pb2.StreamGenerateResponse):  # grpc.aio.EOF.
            _ = self.answer
            raise StopAsyncIteration
        self.note(event)
        return event

    async def aclose(self) -> None:
        """Cancel the call unless it has ended."""
        self._call.cancel()


class SyncAnswerStream(Transcript):
    """AnswerStream for code without an event loop: `with` and `for`."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self._call = call

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> gateway_pb2.StreamGenerateResponse:
        try:
            event: gateway_pb2.StreamGenerateResponse = next(self._call)
        except StopIteration:
            _ = self.answer
            raise
        except grpc.RpcError as error:
            raise self.failure(error) from error
        self.note(event)
        return event

    def close(self) -> None:
        """Cancel the call unless it has ended."""
        self._call.cancel()
