"""What a model will take is known before it is loaded, and what does not fit is not loaded."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.app.engines import engines_of
from gateway.app.parts import OptionalParts
from gateway.clock import SystemClock
from gateway.engine_host import memory
from gateway.engine_host.memory import MemoryGate
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.errors import StartupError
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import LlamaCppModel
from gateway.tasks import Tasks
from tests.support.real_engine import spec
from tests.support.smollm2 import smollm2

MB = 1_000_000
TWO = """
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, slots: 1, context: 512}
  second: {kind: llama_cpp, path: "builtin:demo", clearance: restricted, slots: 1, context: 512}
rules: [{name: default, route: [edge, second]}]
replies: [{id: sorry, text: "Sorry."}]
"""


def used_bytes(pid: int | None) -> int:
    """Return the most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (kib,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(kib) * 1024


async def counted_and_used(model: LlamaCppModel) -> tuple[int, int]:
    """Return what was counted before loading, and what the process has after it."""
    gate = MemoryGate(lambda: 10**12)
    supervisor = EngineSupervisor("edge", model, clock=SystemClock(), on_status=lambda *_: None, memory=gate)
    await supervisor.start()
    try:
        return 10**12 - (gate.left_bytes() or 0), used_bytes(supervisor.pid)
    finally:
        await supervisor.stop()


@pytest.mark.parametrize("keys", [{}, {"kv_cells": 40_000}, {"flash_attention": False}], ids=str)
async def test_what_is_counted_is_what_it_takes(keys: dict[str, object]) -> None:
    """The sum of file, cache and buffers is close to the memory of the process that has loaded the model."""
    counted, used = await counted_and_used(spec(path=smollm2(), **keys))

    assert used * 0.9 < counted < used * 1.6


async def test_a_model_that_does_not_fit_is_not_loaded() -> None:
    """One line says what it takes, what there is, and what to do; the process ends."""
    gate = MemoryGate(lambda: 80 * MB)
    supervisor = EngineSupervisor("edge", spec(), clock=SystemClock(), on_status=lambda *_: None, memory=gate)

    with pytest.raises(
        StartupError, match=r"^model edge: needs \d+ MB of memory .* 80 MB left; take a smaller"
    ):
        await supervisor.start()
    assert supervisor.pid is None


async def test_engines_of_one_policy_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for either, not for both: the gateway does not start."""
    counted, _ = await counted_and_used(parse_policy(TWO, name="t").engines["edge"])
    monkeypatch.setattr(memory, "available_bytes", lambda: counted * 3 // 2)
    async with AsyncExitStack() as stack:
        engines = engines_of(
            parse_policy(TWO, name="t"), OptionalParts(), stack,
            on_status=lambda *_: None, tasks=Tasks(), clock=SystemClock(),
        )  # fmt: skip

        with pytest.raises(StartupError, match=r"needs .* left beside (edge|second); take a smaller"):
            await engines.start(on_status=lambda *_: None, tasks=Tasks(), clock=SystemClock())


async def test_the_start_is_one_line() -> None:
    """An operator reads what was loaded, where it runs and what it takes; and what may become tight."""
    gate = MemoryGate(lambda: 500 * MB)
    supervisor = EngineSupervisor("edge", spec(), clock=SystemClock(), on_status=lambda *_: None, memory=gate)
    with capture_logs() as logs:
        await supervisor.start()
        await supervisor.stop()
    started, tight = logs[:2]

    assert started["event"] == "engine.started"
    assert (started["architecture"], started["context"]) == ("llama", 2048)
    assert 0 < started["memory_mb"] < started["available_mb"] == 500
    assert (tight["event"], tight["prefix_cache_mb"]) == ("engine.memory_tight", 512)
    assert tight["left_mb"] == pytest.approx(500 - started["memory_mb"], abs=1)
