"""What a local model of some size costs on this machine: `python benchmarks/model_sizes.py [NAME ...]`.

For the shape of each model that `gateway models list` shows, a file of random weights in the same
quantization is written (tools/make_synthetic_model.py), which is about as large and as quick as the real one,
and is run by the gateway's own engine, with one thread: its size, the memory of its process, tokens read and
written. Those of one answer are counted by the CPU time of the engine, which other programs on the machine
disturb least: tokens a second on a core of its own. Prints a table; `--json FILE` writes the figures.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import grpc.aio
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from make_constructed_model import WORDS
from make_synthetic_model import Shape, write

from gateway.clock import SystemClock
from gateway.engine.v1 import engine_pb2, engine_pb2_grpc
from gateway.engine_host.supervisor import EngineSupervisor
from gateway.policy.model import LlamaCppModel

SHAPES = {
    "smollm2-135m": (Shape(), "Q8_0"),
    "qwen3-0.6b": (
        Shape(layers=28, embedding=1024, heads=16, kv_heads=8, head_width=128, feed_forward=3072,
              vocabulary=151_936),
        "Q8_0",
    ),
    "llama-3.2-1b": (
        Shape(layers=16, embedding=2048, heads=32, kv_heads=8, feed_forward=8192, vocabulary=128_256),
        "Q4_K_M",
    ),
    "granite-4.0-1b": (
        Shape(layers=40, embedding=2048, heads=16, kv_heads=4, feed_forward=4096, vocabulary=100_352),
        "Q4_K_M",
    ),
    "qwen2.5-1.5b": (
        Shape(layers=28, embedding=1536, heads=12, kv_heads=2, feed_forward=8960, vocabulary=151_936),
        "Q4_K_M",
    ),
    "smollm3-3b": (
        Shape(layers=36, embedding=2048, heads=16, kv_heads=4, feed_forward=11_008, vocabulary=128_256),
        "Q4_K_M",
    ),
}  # fmt: skip
"""By their makers' config.json, and how they are quantized; SmolLM2 comes in Q4_1, a little smaller."""
PROMPT_WORDS, ANSWER_TOKENS = 400, 48
CLIENTS = 4
ROUNDS = 3
"""Answers that are asked for alone; the quickest counts, since others may use the machine."""


class Cost(NamedTuple):
    """One model on this machine."""

    file_mb: float
    memory_mb: float
    read_per_s: float
    """Tokens of a prompt, alone."""
    one_per_s: float
    """Tokens of an answer, alone, in a second of CPU time."""
    four_per_s: float
    """Tokens of four answers at once, together."""


def _most_memory_mb(pid: int | None) -> float:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (kib,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(kib) * 1024 / 1e6


class Took(NamedTuple):
    """One answer: when its first token came, and the last one."""

    first_s: float
    last_s: float
    cpu_s: float
    """CPU time of the engine between them."""


def _cpu_s(pid: int | None) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _ask(stub: "engine_pb2_grpc.EngineServiceAsyncStub", words: int, pid: int | None) -> Took:
    text = " " + " ".join(random.choices(WORDS, k=words))
    message = engine_pb2.GenerateRequest(
        request_id="r", tenant="t", max_tokens=ANSWER_TOKENS, temperature=0.0,
        messages=[engine_pb2.Message(role="user", content=text)],
    )  # fmt: skip
    start_s = perf_counter()
    first_s = first_cpu_s = 0.0
    async for response in stub.Generate(message):
        if response.text and not first_s:
            first_s, first_cpu_s = perf_counter() - start_s, _cpu_s(pid)
    return Took(first_s, perf_counter() - start_s, _cpu_s(pid) - first_cpu_s)


async def cost_of(path: Path, file_mb: float) -> Cost:
    """Run one model, and measure."""
    spec = LlamaCppModel(
        kind="llama_cpp", path=str(path), clearance="public", slots=CLIENTS, context=2048, threads=1
    )
    supervisor = EngineSupervisor("m", spec, clock=SystemClock(), on_status=lambda model, is_serving: None)
    await supervisor.start()
    try:
        async with grpc.aio.insecure_channel(supervisor.target) as channel:
            stub = engine_pb2_grpc.EngineServiceStub(channel)
            pid = supervisor.pid
            await _ask(stub, 8, pid)
            read = await _ask(stub, PROMPT_WORDS, pid)
            one = min([await _ask(stub, 8, pid) for _ in range(ROUNDS)], key=lambda took: took.cpu_s)
            four = await asyncio.gather(*(_ask(stub, 8, pid) for _ in range(CLIENTS)))
        memory_mb = _most_memory_mb(pid)
    finally:
        await supervisor.stop()
    return Cost(
        file_mb=file_mb,
        memory_mb=memory_mb,
        read_per_s=PROMPT_WORDS / read.first_s,
        one_per_s=(ANSWER_TOKENS - 1) / one.cpu_s,
        four_per_s=CLIENTS * ANSWER_TOKENS / max(each.last_s for each in four),
    )


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("models", nargs="*", metavar="NAME", help=f"of {', '.join(SHAPES)}; default: all")
    options = parser.parse_args()
    random.seed(1)
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models or SHAPES:
            shape, mix = SHAPES[name]
            path = Path(folder) / "model.gguf"
            write(path, shape, mix=mix)
            costs[name] = asyncio.run(cost_of(path, path.stat().st_size / 1e6))
            path.unlink()
    table = Table(
        "shape of",
        "file MB",
        "memory MB",
        "read tokens/s",
        "written tokens/s of a core",
        "by four concurrently",
    )
    for name, cost in costs.items():
        table.add_row(name, *(f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in cost))
    Console().print(table)
    if options.json:
        figures = {name: cost._asdict() for name, cost in costs.items()}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
