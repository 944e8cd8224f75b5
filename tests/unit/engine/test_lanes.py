"""Requests that take long to make ready do not stand in front of those that do not."""

import asyncio
import threading
from typing import Any, cast

from gateway.clock import Deadline, SystemClock
from gateway.engine.server import LONG_BYTES, EngineService
from gateway.engine.v1 import engine_pb2


def _request(text: str) -> engine_pb2.GenerateRequest:
    return engine_pb2.GenerateRequest(messages=[engine_pb2.Message(role="user", content=text)])


async def test_short_requests_do_not_wait_for_long_ones() -> None:
    """While more long ones than there are threads are made ready, a short one is, too."""
    goes_on = threading.Event()

    class Service(EngineService):
        def _to_engine_request(self, request: engine_pb2.GenerateRequest, deadline: Deadline) -> Any:
            if request.ByteSize() > LONG_BYTES:
                assert goes_on.wait(30.0)
            return len(request.messages[0].content)

    unused = cast(Any, None)
    service = Service(
        name="edge",
        model=unused,
        prompts=unused,
        scheduler=unused,
        router=unused,
        clock=SystemClock(),
        report=unused,
        sampling_defaults=unused,
    )
    long_ones = [
        asyncio.ensure_future(service._prepare(_request("a" * LONG_BYTES), Deadline.never()))
        for _ in range(8)
    ]
    try:
        async with asyncio.timeout(10.0):
            assert await service._prepare(_request("a"), Deadline.never()) == cast(Any, 1)
        assert not any(each.done() for each in long_ones)
    finally:
        goes_on.set()
    lengths: list[Any] = list(await asyncio.gather(*long_ones))
    assert lengths == [LONG_BYTES] * 8
