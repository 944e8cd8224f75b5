"""Watchers of health that do not read: they keep nobody else from hearing of a change."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.testing.scripted import ScriptedBackend, reply
from tests.support.raw_http2 import HEADERS, SETTINGS, raw_connection
from tests.support.served import Served, served

WATCH = "/grpc.health.v1.Health/Watch"
NO_WINDOW = struct.pack(">HI", 4, 0)
"""The setting by which a client takes no byte of an answer."""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def _deaf_watcher(gateway: Served, service: str) -> AsyncIterator[None]:
    """Watch a service and take not a byte of what is said."""
    async with raw_connection(gateway.server.port) as connection:
        connection.send(SETTINGS, NO_WINDOW)
        connection.call(WATCH, health_pb2.HealthCheckRequest(service=service).SerializeToString())
        async with asyncio.timeout(10):
            while not connection.came(HEADERS):  # noqa: ASYNC110  No event tells.
                await asyncio.sleep(0.01)
        yield


async def test_a_watcher_that_does_not_read_holds_up_nobody() -> None:
    """Others begin to watch, hear of changes, and the change itself is made, as a reload makes it."""
    backends = {name: ScriptedBackend(name, lambda _: reply("fine")) for name in ("edge", "cloud")}
    request = health_pb2.HealthCheckRequest(service="model.edge")
    async with served(backends) as gateway, _deaf_watcher(gateway, "model.edge"), asyncio.timeout(10):
        stub = health_pb2_grpc.HealthStub(gateway.channel)
        watch = stub.Watch(request)
        assert (await watch.read()).status == SERVING
        for is_serving, status in ((False, NOT_SERVING), (True, SERVING)):
            await gateway.gateway.health.set_model("edge", is_serving)
            assert (await watch.read()).status == status
            assert (await stub.Check(request)).status == status
