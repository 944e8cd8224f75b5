"""Who is measured by `benchmarks/engine.py`: our engine, llama-server, a bare loop, `Llama` with a lock.

Each gets the same rendered prompts and gives, for each, when its tokens came. No prompt finds anything of
another one in a cache: llama-server's is off, and ours is asked by another tenant each time. Clients of the
two servers live in this process; the two without a socket live in a child (`engine_worker.py`).
"""

import asyncio
import itertools
import json
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Protocol

import aiohttp
import grpc.aio
from gguf import GGUFReader

from gateway.clock import SystemClock
from gateway.engine.template.chat_template import PLAIN_TEMPLATE, ChatTemplate
from gateway.engine.template.turns import Turn
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.policy.model import LlamaCppModel

WORKER = Path(__file__).with_name("engine_worker.py")


@dataclass(slots=True)
class Timing:
    """One request: how many tokens it gave, and when after its submission each piece came, in seconds."""

    tokens: int = 0
    at_s: list[float] = field(default_factory=list)

    @property
    def first_s(self) -> float:
        """Time to the first token."""
        return self.at_s[0]

    @property
    def per_token_s(self) -> float:
        """Mean time for each token after the first."""
        return (self.at_s[-1] - self.at_s[0]) / max(1, self.tokens - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every contestant gets alike."""

    model: Path
    threads: int
    slots: int
    context: int
    kv_cells: int
    around: tuple[str, str]
    """What the chat template puts before and behind a prompt."""

    def rendered(self, prompt: str) -> str:
        """Return a prompt as the model's template renders it."""
        return prompt.join(self.around)


def around(model: Path) -> tuple[str, str]:
    """Return what the chat template of a model file puts before and behind a prompt."""
    field = GGUFReader(model).get_field("tokenizer.chat_template")
    source = PLAIN_TEMPLATE if field is None else str(field.contents())
    before, _, behind = (
        ChatTemplate(source, bos="", eos="").render([Turn("user", "PROMPT")]).partition("PROMPT")
    )
    return before, behind


class Contestant(Protocol):
    """One way to serve a GGUF file."""

    name: str

    async def start(self, settings: Settings) -> None:
        """Load the model."""
        ...

    async def run(self, prompts: Sequence[str], max_tokens: int) -> list[Timing]:
        """Answer all prompts at once, greedily, each with exactly `max_tokens` tokens."""
        ...

    def pid(self) -> int:
        """Return the process that holds the model."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


class Ours:
    """The engine of this repository through its gRPC socket."""

    name = "gateway"

    def __init__(self, **keys: object) -> None:
        """`keys` are those of the policy for its model, beside what all contestants get."""
        self._keys = keys
        self._tenants = map("tenant-{}".format, itertools.count())

    async def start(self, settings: Settings) -> None:
        """Start an engine with its supervisor."""
        spec = LlamaCppModel.model_validate({
            "kind": "llama_cpp", "path": str(settings.model), "clearance": "restricted",
            "slots": settings.slots, "context": settings.context, "kv_cells": settings.kv_cells,
            "threads": settings.threads, **self._keys,
        })  # fmt: skip
        self._supervisor = EngineSupervisor("m", spec, clock=SystemClock(), on_status=lambda *_: None)
        await self._supervisor.start()
        self._channel = grpc.aio.insecure_channel(self._supervisor.target)
        self.stub = engine_pb2_grpc.EngineServiceStub(self._channel)

    async def run(self, prompts: Sequence[str], max_tokens: int) -> list[Timing]:
        """Stream all answers at once, each for a tenant of its own."""
        asked = zip(prompts, self._tenants, strict=False)
        return list(await asyncio.gather(*(self.one(each, max_tokens, tenant) for each, tenant in asked)))

    async def one(self, prompt: str, max_tokens: int, tenant: str = "b") -> Timing:
        """Stream one answer."""
        timing, start_s = Timing(), perf_counter()
        request = engine_pb2.GenerateRequest(
            request_id="b", tenant=tenant, max_tokens=max_tokens, temperature=0.0,
            messages=[engine_pb2.Message(role="user", content=prompt)],
        )  # fmt: skip
        async for response in self.stub.Generate(request):
            if response.tokens:  # Not a heartbeat.
                timing.at_s.append(perf_counter() - start_s)
            timing.tokens = response.finished.completion_tokens
        return timing

    async def status(self) -> engine_pb2.GetStatusResponse:
        """Return the engine's own numbers."""
        return await self.stub.GetStatus(engine_pb2.GetStatusRequest())

    def pid(self) -> int:
        """Return the engine's process."""
        return self._supervisor.pid or 0

    async def stop(self) -> None:
        """End the engine."""
        await self._channel.close()
        await self._supervisor.stop()


class LlamaServer:
    """llama.cpp's own server, through HTTP, with prompt caching off."""

    name = "llama-server"

    def __init__(self, binary: str, *, unified: bool = True) -> None:
        self._binary = binary
        self._unified = unified

    async def start(self, settings: Settings) -> None:
        """Start the server and wait until it is healthy."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._settings = settings
        self._url = f"http://127.0.0.1:{port}"
        self._process = await asyncio.create_subprocess_exec(
            self._binary, "-m", str(settings.model), "--port", str(port), "-np", str(settings.slots),
            "-c", str(settings.kv_cells), "-t", str(settings.threads), "-tb", str(settings.threads),
            "--kv-unified" if self._unified else "--no-kv-unified", "--no-cache-prompt", "--cache-ram", "0",
            "--threads-http", str(settings.slots + 2), stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        for _ in range(600):
            await asyncio.sleep(0.1)
            try:
                async with self._http.get(f"{self._url}/health") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                continue
        raise SystemExit("llama-server does not become healthy")

    async def run(self, prompts: Sequence[str], max_tokens: int) -> list[Timing]:
        """Stream all answers at once."""
        return list(await asyncio.gather(*(self.one(prompt, max_tokens) for prompt in prompts)))

    async def one(self, prompt: str, max_tokens: int) -> Timing:
        """Stream one answer."""
        timing, start_s = Timing(), perf_counter()
        body = {
            "prompt": self._settings.rendered(prompt), "n_predict": max_tokens, "temperature": 0.0,
            "stream": True, "cache_prompt": False, "ignore_eos": True,
        }  # fmt: skip
        async with self._http.post(f"{self._url}/completion", json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data: "):
                    timing.at_s.append(perf_counter() - start_s)
                    piece = json.loads(line[6:])
                    if piece.get("stop"):
                        timing.tokens = piece["tokens_predicted"]
        return timing

    def pid(self) -> int:
        """Return the server's process."""
        return self._process.pid

    async def stop(self) -> None:
        """End the server."""
        await self._http.close()
        self._process.kill()
        await self._process.wait()


class Child:
    """A contestant without a socket: a child process that reads prompts and writes timings."""

    def __init__(self, kind: str, name: str) -> None:
        self.name = name
        self._kind = kind

    async def start(self, settings: Settings) -> None:
        """Start the child and wait until its model is loaded."""
        self._settings = settings
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(WORKER), self._kind, str(settings.model), str(settings.threads),
            str(settings.slots), str(settings.context), str(settings.kv_cells),
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=1 << 24,
        )  # fmt: skip
        await self._answer()

    async def run(self, prompts: Sequence[str], max_tokens: int) -> list[Timing]:
        """Hand all prompts over, and read what they gave."""
        if self._process.stdin is None:
            raise SystemExit("the child has no standard input")
        order = {"prompts": [self._settings.rendered(prompt) for prompt in prompts], "max_tokens": max_tokens}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        answer = await self._answer()
        return [Timing(tokens=len(at_s), at_s=at_s) for at_s in answer]

    async def _answer(self) -> list[list[float]]:
        line = b"" if self._process.stdout is None else await self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: the child ended")
        answer: list[list[float]] = json.loads(line)
        return answer

    def pid(self) -> int:
        """Return the child's process."""
        return self._process.pid

    async def stop(self) -> None:
        """End the child."""
        self._process.kill()
        await self._process.wait()
