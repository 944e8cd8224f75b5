"""How fast the edge engine is beside a bare decode loop, llama-server and `Llama` with a lock.

    python -m benchmarks.engine [--short] [--runs N] [--model FILE.gguf] [--threads N] [--json FILE]
    LLAMA_SERVER=/path/to/llama-server python -m benchmarks.engine --runs 3 --model builtin:smollm2-135m

All contestants take turns in one run with the same fresh prompts, because machines are shared and noisy:
quote the ratios. Without `--model` a synthetic one of 135M parameters in Q8_0 is written
(tools/make_synthetic_model.py). `--short` takes less than six minutes on two cores; each of several
`--runs` is a short one with nothing but what the last table needs, some four minutes. That table has the
ratios beside their targets; "whole gateway" is a client of `gateway serve`, with as many threads as all
others, or with those that the engine chooses.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from make_constructed_model import WORDS

from benchmarks.engine_contestants import Child, Contestant, LlamaServer, Ours, Settings, around
from benchmarks.engine_gateway import WholeGateway
from benchmarks.engine_questions import idle_share, prefix_reuse, step_overhead, stream_stall
from benchmarks.engine_samples import Load, Sample, figures, loads, ratios
from benchmarks.engine_targets import BARE, IDLE, Figures, target_table
from gateway.engine.models import resolve_model_path
from gateway.engine.threads import thread_choices

TASK = "Write a very long story, of many pages, in which these words are: "
"""Before the words of a prompt for a model that is trained, so that its answers are long."""
TOOLS = Path(__file__).resolve().parents[1] / "tools"
console = Console(width=140)


def fresh(load: Load, dice: random.Random, task: str = "") -> list[str]:
    """Return prompts that nobody has seen, a word a token."""
    return [task + " " + " ".join(dice.choices(WORDS, k=load.words)) for _ in range(load.clients)]


async def measure(
    contestants: Sequence[Contestant], load: Load, dice: random.Random, task: str
) -> dict[str, Sample]:
    """Let all take turns, in another order each round."""
    samples = {contestant.name: Sample() for contestant in contestants}
    for turn in range(load.rounds):
        prompts = fresh(load, dice, task)
        for contestant in [*contestants[turn % len(contestants) :], *contestants[: turn % len(contestants)]]:
            if contestant.name == "Llama + lock" and (turn or load.clients not in (1, 8)):
                continue
            if isinstance(contestant, WholeGateway) and load.clients > 1:
                continue
            start_s = perf_counter()
            timings = await contestant.run(prompts, load.max_tokens)
            wall_s = perf_counter() - start_s
            if any(t.tokens != load.max_tokens for t in timings):
                console.print(f"[yellow]{contestant.name}: not every answer had {load.max_tokens} tokens")
            samples[contestant.name].add(timings, wall_s)
    return {name: sample for name, sample in samples.items() if sample.rates}


def show(load: Load, samples: dict[str, Sample], ratio: dict[str, dict[str, float]]) -> None:
    """Print one load as a table."""
    table = Table(title=load.label, title_justify="left")
    for heading in (
        "",
        "tokens/s",
        "spread",
        "first ms p50",
        "p99",
        "per token ms p50",
        "p99",
        "ours / this",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, sample in samples.items():
        s, r = sample.summary(), ratio[name]
        table.add_row(
            name, f"{s['tokens_per_s']:.0f}",
            f"{s['tokens_per_s_least']:.0f}-{s['tokens_per_s_most']:.0f}",
            f"{s['first_ms_p50']:.0f}", f"{s['first_ms_p99']:.0f}",
            f"{s['per_token_ms_p50']:.1f}", f"{s['per_token_ms_p99']:.1f}",
            "" if name == "gateway" else f"{r['median']:.2f} ({r['least']:.2f}-{r['most']:.2f})",
        )  # fmt: skip
    console.print(table)


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process in megabytes, the mapped model included."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def contestants_of(ours: Ours, *, only_targets: bool) -> list[Contestant]:
    """Return who takes part; the first is the engine itself."""
    found: list[Contestant] = [ours, Child("bare", BARE)]
    if binary := os.environ.get("LLAMA_SERVER"):
        found.append(LlamaServer(binary))
    found += [WholeGateway(), WholeGateway("whole gateway, own threads", sets_threads=False)]
    return found if only_targets else [*found, Child("lock", "Llama + lock")]


async def run(arguments: argparse.Namespace, model: Path) -> tuple[dict[str, object], Figures]:
    """Measure everything once; return it for JSON, and what the targets are about."""
    settings = Settings(
        model=model, threads=arguments.threads, slots=16, context=4096, kv_cells=24_576, around=around(model)
    )  # fmt: skip
    task, only_targets = TASK if arguments.model else "", arguments.runs > 1
    ours, dice = Ours(), random.Random(arguments.seed)
    contestants = contestants_of(ours, only_targets=only_targets)
    report: dict[str, object] = {"threads": settings.threads, "model": model.name, "load": os.getloadavg()[0]}
    for contestant in contestants:
        await contestant.start(settings)
    try:
        warm = Load(clients=2, words=64, max_tokens=8, rounds=1)
        await measure(contestants, warm, dice, task)
        await measure(contestants, replace(warm, clients=1, max_tokens=32), dice, task)
        found = {}
        for load in loads(short=arguments.short, only_targets=only_targets):
            found[load] = samples = await measure(contestants, load, dice, task)
            ratio = ratios(samples)
            show(load, samples, ratio)
            report[load.label] = {name: s.summary() | {"ratio": ratio[name]} for name, s in samples.items()}
        report["memory_mb"] = {c.name: memory_mb(c.pid()) for c in contestants}
        for contestant in contestants[1:]:
            await contestant.stop()
        contestants = [ours]
        told = {**figures(found), (IDLE, ""): await idle_share(ours)}
        for name, question, short_rounds in () if only_targets else QUESTIONS:
            report[name] = await question(ours, dice, rounds=short_rounds if arguments.short else 5)
            console.print(f"{name}: {report[name]}")
    finally:
        for contestant in contestants:
            await contestant.stop()
    report["load_after"] = os.getloadavg()[0]
    console.print(f"memory, MB resident: {report['memory_mb']}")
    console.print(
        f"threads {settings.threads}; load average {report['load']:.2f} -> {report['load_after']:.2f}"
    )
    return report, told


QUESTIONS = (
    ("outside llama_decode, 8 slots", step_overhead, 2),
    ("same 1,000-token prefix again", prefix_reuse, 2),
    ("3,000-token prompt among 8 streams", stream_stall, 1),
)
"""What is asked of our engine alone, with how many rounds in a short run."""


def main() -> None:
    """Read arguments, make the model where none is given, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true", help="less than six minutes")
    parser.add_argument("--runs", type=int, default=1, help="how often to start everybody and measure")
    parser.add_argument("--model", help="a file, or builtin:NAME; default: a synthetic one")
    parser.add_argument("--threads", type=int, default=thread_choices()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--json", type=Path, help="write everything here, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        named = resolve_model_path(arguments.model) if arguments.model else None
        model = named or Path(folder) / "synthetic.gguf"
        if not arguments.model:
            subprocess.run([sys.executable, TOOLS / "make_synthetic_model.py", model], check=True)
        runs = []
        for number in range(arguments.runs):
            console.print(f"run {number + 1} of {arguments.runs}")
            runs.append(asyncio.run(run(arguments, model)))
    console.print(target_table([told for _, told in runs]))
    if arguments.json:
        arguments.json.write_text(json.dumps([report for report, _ in runs], indent=1) + "\n")


if __name__ == "__main__":
    main()
