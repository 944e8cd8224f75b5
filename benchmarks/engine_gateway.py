"""The whole gateway as a contestant of `benchmarks/engine.py`: a client, the gateway, its engine."""

import asyncio
import itertools
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter

import grpc.aio

from benchmarks.engine_contestants import Settings, Timing
from gateway.v1 import gateway_pb2, gateway_pb2_grpc
from tests.support.serve_process import serving

POLICY = """\
version: 1
models:
  edge:
    kind: llama_cpp
    path: {model}
    clearance: restricted
    slots: {slots}
    context: {context}
    kv_cells: {kv_cells}
    {threads}
rules:
  - {{name: first, route: [edge]}}
replies:
  - {{id: sorry, text: x}}
"""


class WholeGateway:
    """`gateway serve` in a process of its own, its engine in another, over the public gRPC contract."""

    def __init__(self, name: str = "whole gateway", *, sets_threads: bool = True) -> None:
        """Without `sets_threads` the engine chooses how many threads it takes."""
        self.name = name
        self._sets_threads = sets_threads
        self._tenants = map("tenant-{}".format, itertools.count())

    async def start(self, settings: Settings) -> None:
        """Start the gateway, and connect to it."""
        self._stack, self._settings = AsyncExitStack(), settings
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        text = POLICY.format(
            model=settings.model,
            slots=settings.slots,
            context=settings.context,
            kv_cells=settings.kv_cells,
            threads=f"threads: {settings.threads}" if self._sets_threads else "",
        )
        self._process = await self._stack.enter_async_context(
            serving(folder, "--trust-tenant-header", text=text)
        )
        channel = grpc.aio.insecure_channel(self._process.address)
        await self._stack.enter_async_context(channel)
        self._stub = gateway_pb2_grpc.GatewayServiceStub(channel)

    async def run(self, prompts: Sequence[str], max_tokens: int) -> list[Timing]:
        """Stream all answers at once."""
        return list(await asyncio.gather(*(self._one(prompt, max_tokens) for prompt in prompts)))

    async def _one(self, prompt: str, max_tokens: int) -> Timing:
        timing, start_s = Timing(), perf_counter()
        request = gateway_pb2.StreamGenerateRequest(
            messages=[gateway_pb2.Message(role=gateway_pb2.ROLE_USER, content=prompt)],
            config=gateway_pb2.GenerationConfig(max_tokens=max_tokens, temperature=0.0),
        )
        # A tenant of its own finds nothing of other prompts in the cache.
        tenant = (("x-tenant", next(self._tenants)),)
        async for response in self._stub.StreamGenerate(request, timeout=600.0, metadata=tenant):
            if response.WhichOneof("event") == "delta":
                timing.at_s.append(perf_counter() - start_s)
            timing.tokens = response.completed.usage.completion_tokens
        return timing

    def pid(self) -> int:
        """Return the gateway's process; its engine is another one."""
        return self._process.process.pid

    async def stop(self) -> None:
        """End both."""
        await self._stack.aclose()
