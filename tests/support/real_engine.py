"""A real engine process, for tests: how to run one, what to ask it, and what it said."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc.aio

from gateway.clock import Clock, SystemClock
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.policy.model import LlamaCppModel
from tests.support.constructed_model import constructed

Stub: TypeAlias = "engine_pb2_grpc.EngineServiceAsyncStub"  # It exists in the generated types only.


def spec(**keys: object) -> LlamaCppModel:
    """Return the policy's entry for the constructed model, with four slots."""
    entry = {
        "kind": "llama_cpp",
        "path": constructed(),
        "clearance": "restricted",
        "slots": 4,
        "context": 2048,
    }
    return LlamaCppModel.model_validate(entry | keys)


@asynccontextmanager
async def running(
    model: LlamaCppModel, *, clock: Clock | None = None, reports: list[bool] | None = None
) -> AsyncIterator[tuple[EngineSupervisor, Stub]]:
    """Run an engine, with a connection to it; `reports` gets whether it serves, each time that changes."""
    supervisor = EngineSupervisor(
        "edge",
        model,
        clock=clock or SystemClock(),
        on_status=lambda _, is_serving: None if reports is None else reports.append(is_serving),
    )
    await supervisor.start()
    try:
        async with grpc.aio.insecure_channel(supervisor.target) as channel:
            yield supervisor, engine_pb2_grpc.EngineServiceStub(channel)
    finally:
        await supervisor.stop()


def request(text: str, *, max_tokens: int = 40, **fields: Any) -> engine_pb2.GenerateRequest:
    """Return a greedy request, unless fields say otherwise."""
    message = engine_pb2.GenerateRequest(
        request_id="r", tenant="t", max_tokens=max_tokens, temperature=0.0,
        messages=[engine_pb2.Message(role="user", content=text)],
    )  # fmt: skip
    message.MergeFrom(engine_pb2.GenerateRequest(**fields))
    return message


async def ask(stub: Stub, message: engine_pb2.GenerateRequest) -> list[engine_pb2.GenerateResponse]:
    """Return all responses."""
    return [response async for response in stub.Generate(message)]


def text_of(responses: list[engine_pb2.GenerateResponse]) -> str:
    """Return the answer."""
    return "".join(response.text for response in responses)


async def until_status(
    stub: Stub, condition: Callable[[engine_pb2.GetStatusResponse], bool]
) -> engine_pb2.GetStatusResponse:
    """Return the first status that fits; TimeoutError after 60 seconds: machines may be busy."""
    async with asyncio.timeout(60.0):
        while True:
            status = await stub.GetStatus(engine_pb2.GetStatusRequest())
            if condition(status):
                return status
            await asyncio.sleep(0.01)


async def until_idle(stub: Stub) -> engine_pb2.GetStatusResponse:
    """Return the status of an engine that has nothing to do and whose cache is empty.

    A slot is given back a moment before its cells are, so one look at a status may see the one without the
    other; cells that are lost are a TimeoutError.
    """
    return await until_status(
        stub, lambda status: (status.slots_busy, status.queued, status.kv_cells_used) == (0, 0, 0)
    )
