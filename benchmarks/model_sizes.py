"""What a local model of some size costs on this machine: `python benchmarks/model_sizes.py [--json FILE]`.

For the shapes of three small instruct models a file of random weights in Q8_0 is written
(tools/make_synthetic_model.py), which is as large and as quick as the real one, and is run by the gateway's
own engine: its size, the memory of its process, tokens read and written a second. Prints a table.
"""

import argparse
import asyncio
import json
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
    "SmolLM2-360M-Instruct": Shape(
        layers=32, embedding=960, heads=15, kv_heads=5, feed_forward=2560, vocabulary=49_152
    ),
    "Qwen2.5-0.5B-Instruct": Shape(
        layers=24, embedding=896, heads=14, kv_heads=2, feed_forward=4864, vocabulary=151_936
    ),
    "Qwen2.5-1.5B-Instruct": Shape(
        layers=28, embedding=1536, heads=12, kv_heads=2, feed_forward=8960, vocabulary=151_936
    ),
}
"""From the config.json that each maker publishes."""
PROMPT_WORDS, ANSWER_TOKENS = 400, 48
CLIENTS = 4


class Cost(NamedTuple):
    """One model on this machine."""

    file_mb: float
    memory_mb: float
    read_per_s: float
    """Tokens of a prompt, alone."""
    one_per_s: float
    """Tokens of an answer, alone."""
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


async def _ask(stub: "engine_pb2_grpc.EngineServiceAsyncStub", words: int) -> Took:
    text = " " + " ".join(random.choices(WORDS, k=words))
    message = engine_pb2.GenerateRequest(
        request_id="r", tenant="t", max_tokens=ANSWER_TOKENS, temperature=0.0,
        messages=[engine_pb2.Message(role="user", content=text)],
    )  # fmt: skip
    start_s = perf_counter()
    first_s = 0.0
    async for response in stub.Generate(message):
        if response.text and not first_s:
            first_s = perf_counter() - start_s
    return Took(first_s, perf_counter() - start_s)


async def cost_of(path: Path, file_mb: float) -> Cost:
    """Run one model, and measure."""
    spec = LlamaCppModel(kind="llama_cpp", path=str(path), clearance="public", slots=CLIENTS, context=2048)
    supervisor = EngineSupervisor("m", spec, clock=SystemClock(), on_status=lambda model, is_serving: None)
    await supervisor.start()
    try:
        async with grpc.aio.insecure_channel(supervisor.target) as channel:
            stub = engine_pb2_grpc.EngineServiceStub(channel)
            await _ask(stub, 8)
            read = await _ask(stub, PROMPT_WORDS)
            one = await _ask(stub, 8)
            four = await asyncio.gather(*(_ask(stub, 8) for _ in range(CLIENTS)))
        memory_mb = _most_memory_mb(supervisor.pid)
    finally:
        await supervisor.stop()
    return Cost(
        file_mb=file_mb,
        memory_mb=memory_mb,
        read_per_s=PROMPT_WORDS / read.first_s,
        one_per_s=(ANSWER_TOKENS - 1) / (one.last_s - one.first_s),
        four_per_s=CLIENTS * ANSWER_TOKENS / max(each.last_s for each in four),
    )


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    random.seed(1)
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, shape in SHAPES.items():
            path = Path(folder) / "model.gguf"
            write(path, shape)
            costs[name] = asyncio.run(cost_of(path, path.stat().st_size / 1e6))
            path.unlink()
    table = Table("shape of", "file MB", "memory MB", "read tokens/s", "written tokens/s", "by four at once")
    for name, cost in costs.items():
        table.add_row(name, *(f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in cost))
    Console().print(table)
    if options.json:
        figures = {name: cost._asdict() for name, cost in costs.items()}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
