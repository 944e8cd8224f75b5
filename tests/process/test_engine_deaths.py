"""How llama.cpp really ends a process, end to end: an assertion that fails, and memory that is not there."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.engine_host import supervisor
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.errors import StartupError
from gateway.policy.model import LlamaCppModel
from gateway.v1 import gateway_pb2 as pb
from tests.support.fakes import FakeClock
from tests.support.interpreters import failing, light, limited
from tests.support.real_engine import ask, request, running, spec, text_of
from tests.support.served import ask as ask_gateway
from tests.support.served import served
from tests.support.synthetic_models import write_adapter, write_hollow
from tests.support.waiting import until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
POLICY = """
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, slots: 4, context: 8192}
  edge-2: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, slots: 1, context: 512}
rules: [{name: default, route: [edge, edge-2]}]
resilience: {attempts: 3, deadline_s: {default: 30, max: 30}}
replies: [{id: sorry, text: "Sorry."}]
"""
ENDLESS = '{"type": "array", "items": {"type": "string", "minLength": 1000}, "minItems": 1000}'
"""A schema whose answers are long enough to be met in the middle."""


async def drained(call: AsyncIterator[engine_pb2.GenerateResponse]) -> grpc.StatusCode:
    """Read a call to its end; return how it failed, OK if it did not."""
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


class TestAssertion:
    """GGML_ASSERT in the middle of a step: llama.cpp aborts the process."""

    async def test_who_is_inside_fails_retryably_and_the_next_engine_answers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All calls inside end with UNAVAILABLE, the assertion is logged, and after a second all is well."""
        fuse = tmp_path / "fuse"
        monkeypatch.setattr(sys, "executable", failing(tmp_path / "python", fuse=fuse))
        clock, reports = FakeClock(), list[bool]()
        with capture_logs() as logs:
            roomy = spec(context=8192, kv_cells=4 * 8192)
            async with running(roomy, clock=clock, reports=reports) as (engine, stub):
                wanted = request("x", max_tokens=8000, json_schema=ENDLESS)
                calls = [aiter(stub.Generate(wanted)) for _ in range(3)]
                await asyncio.gather(*map(anext, calls))
                light(fuse, "assert")
                ends = await asyncio.gather(*map(drained, calls))
                await until(lambda: engine.generation == 2 and engine.is_serving)
                async with grpc.aio.insecure_channel(engine.target) as channel:
                    answer = await ask(engine_pb2_grpc.EngineServiceStub(channel), request("Hello"))

        assert ends == [grpc.StatusCode.UNAVAILABLE] * 3
        assert text_of(answer).startswith("Hello!")
        assert clock.slept_s == [1.0]
        assert reports == [True, False, True, False]
        (exited,) = [entry for entry in logs if entry["event"] == "engine.exited"]
        assert exited["status"] == -signal.SIGABRT
        assert exited["cause"].startswith("llama-kv-cache.cpp:")
        assert "GGML_ASSERT(seq_id_src >= 0" in exited["cause"]

    async def test_the_gateway_goes_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The request inside enters no other engine, others are answered meanwhile, and health tells all."""
        fuse = tmp_path / "fuse"
        monkeypatch.setattr(sys, "executable", failing(tmp_path / "python", fuse=fuse))
        monkeypatch.setattr(supervisor, "FIRST_DELAY_S", 3.0)
        seen: list[int] = []
        async with served({}, policy=POLICY) as gateway:
            watch = health_pb2_grpc.HealthStub(gateway.channel).Watch(
                health_pb2.HealthCheckRequest(service="model.edge")
            )

            async def look() -> None:
                async for answer in watch:
                    seen.append(answer.status)

            looking = asyncio.create_task(look())
            config = pb.GenerationConfig(json_schema=ENDLESS, max_tokens=8000, temperature=0.0)
            call = gateway.stub.StreamGenerate(
                pb.StreamGenerateRequest(messages=ask_gateway("x").messages, config=config)
            )
            deltas = 0
            async for event in call:
                deltas += event.HasField("delta")
                if deltas == 1 and event.HasField("delta"):
                    light(fuse, "assert")
                killer = event.completed
            await until(lambda: seen == [SERVING, NOT_SERVING])
            meanwhile = await gateway.stub.Generate(ask_gateway("Hello"))
            await until(lambda: seen == [SERVING, NOT_SERVING, SERVING])
            after = await gateway.stub.Generate(ask_gateway("Hello"))
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

        assert killer.route == pb.ROUTE_CANNED
        assert [(each.model, each.outcome, each.reason) for each in killer.attempts] == [
            ("edge", pb.OUTCOME_FAILED, pb.REASON_ENGINE_DOWN),
            ("edge-2", pb.OUTCOME_REFUSED, pb.REASON_ENGINE_DOWN),
        ]
        assert (meanwhile.model, after.model) == ("edge-2", "edge")

    async def test_one_that_fails_while_it_loads_is_a_startup_error(self, tmp_path: Path) -> None:
        """An adapter that passes for one, and that llama.cpp cannot multiply by, is found by the warm-up."""
        write_adapter(tmp_path / "a.gguf", says="!", planes=3)
        adapter = {"path": str(tmp_path / "a.gguf")}

        said = await refusal(spec(lora=[adapter]))

        assert "ended with status -6 " in said
        assert "constructed.gguf (ggml.c:" in said
        assert (
            "GGML_ASSERT(ggml_can_mul_mat(a, b)) failed); llama.cpp may not be able to run this file" in said
        )


async def test_a_decode_that_never_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine whose other threads are well is killed when its step does not end, and another answers."""
    fuse = tmp_path / "fuse"
    monkeypatch.setattr(sys, "executable", failing(tmp_path / "python", fuse=fuse))
    with capture_logs() as logs:
        async with running(spec(watchdog_s=2.0), clock=FakeClock()) as (engine, stub):
            call = aiter(stub.Generate(request("x", max_tokens=1900, json_schema=ENDLESS)))
            await anext(call)
            light(fuse, "hang")
            end = await drained(call)
            await until(lambda: engine.generation == 2 and engine.is_serving)
            async with grpc.aio.insecure_channel(engine.target) as channel:
                answer = await ask(engine_pb2_grpc.EngineServiceStub(channel), request("Hello"))
    (exited,) = [entry for entry in logs if entry["event"] == "engine.exited"]

    assert end is grpc.StatusCode.UNAVAILABLE
    assert (exited["status"], exited["cause"]) == (-signal.SIGKILL, "no step for 2 s")
    assert text_of(answer).startswith("Hello!")


async def refusal(model: LlamaCppModel) -> str:
    """Return what the start of an engine is refused with, once and in one line."""
    clock, reports = FakeClock(), list[bool]()
    engine = EngineSupervisor("edge", model, clock=clock, on_status=lambda _, ok: reports.append(ok))
    with pytest.raises(StartupError) as refused:
        await engine.start()
    assert (engine.generation, engine.pid, clock.slept_s, reports) == (1, None, [], [])
    assert not Path(engine.target.removeprefix("unix:")).parent.exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


class TestMemory:
    """Not enough memory to load: one line that says so, and no second try.

    The machine has enough, so the sum that is made before loading lets the engine try.
    """

    async def test_for_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A model that is larger than the memory that the engine may have."""
        path = tmp_path / "hollow.gguf"
        size = write_hollow(path, layers=4)
        assert size > 2_000_000_000
        monkeypatch.setattr(sys, "executable", limited(tmp_path / "python", address_space_mb=2000))

        said = await refusal(spec(path=str(path), slots=1, context=256))

        assert said.endswith("does not load: mmap failed: Cannot allocate memory; choose a smaller model")

    async def test_for_the_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A model that fits with a KV cache that does not."""
        monkeypatch.setattr(sys, "executable", limited(tmp_path / "python", address_space_mb=2000))

        said = await refusal(spec(kv_cells=2_000_000))

        assert "no memory for 2000000 cells of KV cache: " in said
        assert said.endswith("lower kv_cells, slots or context")

    async def test_for_next_to_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """So little that the interpreter itself comes to its end, in one way or another."""
        monkeypatch.setattr(sys, "executable", limited(tmp_path / "python", address_space_mb=100))

        said = await refusal(spec())

        assert "while it loaded " in said

    def test_gateway_serve_ends_with_one_line(self, tmp_path: Path) -> None:
        """The gateway says the same line, and ends with status 2 instead of starting it again and again."""
        policy = tmp_path / "policy.yaml"
        policy.write_text(POLICY.replace("context: 8192", "context: 8192, kv_cells: 2000000"))
        python = limited(tmp_path / "python", address_space_mb=6000)
        flags = ("--policy", policy, "--listen", "127.0.0.1:0", "--state", "memory:")
        ended = subprocess.run(
            [python, "-m", "gateway", "serve", *flags],
            capture_output=True, text=True, timeout=60, check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        said = [line for line in ended.stderr.splitlines() if line.startswith("gateway: ")]

        assert ended.returncode == 2
        assert len(said) == 1
        assert "model edge: " in said[0]
        assert "no memory for 2000000 cells of KV cache" in said[0]
        assert "Traceback" not in ended.stderr
