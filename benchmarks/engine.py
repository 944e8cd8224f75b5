"""How fast the edge engine is beside a bare decode loop, llama-server and `Llama` with a lock.

    python -m benchmarks.engine [--short] [--model FILE.gguf] [--threads N] [--json FILE]
    LLAMA_SERVER=/path/to/llama-server python -m benchmarks.engine --model builtin:smollm2-135m

All contestants take turns in one run with the same fresh prompts, because machines are shared and noisy:
quote the ratios, and run it several times. Without `--model` a synthetic one of 135M parameters in Q8_0 is
written (tools/make_synthetic_model.py). `--short` takes less than six minutes on two cores. The last table
has the ratios alone; "whole gateway" is a client of `gateway serve`, with as many threads as all others, or
with those that the engine chooses.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

from gguf import GGUFReader
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from make_constructed_model import WORDS

from benchmarks.engine_contestants import Child, Contestant, LlamaServer, Ours, Settings, Timing
from benchmarks.engine_gateway import WholeGateway
from benchmarks.engine_questions import prefix_reuse, step_overhead, stream_stall
from gateway.engine.models import resolve_model_path
from gateway.engine.template.chat_template import PLAIN_TEMPLATE, ChatTemplate
from gateway.engine.template.turns import Turn
from gateway.engine.threads import default_threads

TASK = "Write a very long story, of many pages, in which these words are: "
"""Before the words of a prompt for a model that is trained, so that its answers are long."""
TOOLS = Path(__file__).resolve().parents[1] / "tools"
console = Console(width=140)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One row of questions: how many clients, how long the prompts, how long the answers."""

    clients: int
    words: int
    max_tokens: int
    rounds: int

    @property
    def label(self) -> str:
        """Return a name for tables."""
        return f"{self.clients} x ({self.words} in, {self.max_tokens} out)"


@dataclass(slots=True)
class Sample:
    """What one contestant gave under one load, over all rounds."""

    rates: list[float] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)

    def add(self, timings: list[Timing], wall_s: float) -> None:
        """Take one round."""
        self.rates.append(sum(t.tokens for t in timings) / wall_s)
        self.timings += timings

    def summary(self) -> dict[str, float]:
        """Return medians and percentiles."""
        first = [t.first_s * 1000 for t in self.timings]
        each = [t.per_token_s * 1000 for t in self.timings]
        return {
            "tokens_per_s": statistics.median(self.rates),
            "tokens_per_s_least": min(self.rates),
            "tokens_per_s_most": max(self.rates),
            "first_ms_p50": percentile(first, 50),
            "first_ms_p99": percentile(first, 99),
            "per_token_ms_p50": percentile(each, 50),
            "per_token_ms_p99": percentile(each, 99),
        }


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share) // 100) - 1)]


def loads(*, short: bool) -> list[Load]:
    """Return the loads of a run."""
    if short:
        brief = [Load(clients=n, words=8, max_tokens=128 if n < 8 else 64, rounds=3) for n in (1, 4, 8, 16)]
        return [*brief, *(Load(clients=n, words=1000, max_tokens=32, rounds=1) for n in (1, 4))]
    brief = [Load(clients=n, words=8, max_tokens=128, rounds=5) for n in (1, 4, 8, 16)]
    return [*brief, *(Load(clients=n, words=1000, max_tokens=32, rounds=3) for n in (1, 4, 8, 16))]


def fresh(load: Load, dice: random.Random, task: str = "") -> list[str]:
    """Return prompts that nobody has seen, a word a token."""
    return [task + " " + " ".join(dice.choices(WORDS, k=load.words)) for _ in range(load.clients)]


def around(model: Path) -> tuple[str, str]:
    """Return what the chat template of a model file puts before and behind a prompt."""
    field = GGUFReader(model).get_field("tokenizer.chat_template")
    source = PLAIN_TEMPLATE if field is None else str(field.contents())
    before, _, behind = (
        ChatTemplate(source, bos="", eos="").render([Turn("user", "PROMPT")]).partition("PROMPT")
    )
    return before, behind


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


def ratios(samples: dict[str, Sample]) -> dict[str, dict[str, float]]:
    """Return our tokens/s over each other's, round by round: median, least and most."""
    ours = samples["gateway"].rates
    found = {}
    for name, sample in samples.items():
        each = [a / b for a, b in zip(ours, sample.rates, strict=False)]
        found[name] = {"median": statistics.median(each), "least": min(each), "most": max(each)}
    return found


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


def show_ratios(found: dict[str, dict[str, Sample]]) -> None:
    """Print our tokens/s over those of each other, and our time to the first token of a long prompt."""
    others = sorted({name for samples in found.values() for name in samples} - {"gateway"})
    table = Table(title="ours / theirs: tokens/s, and for a lone prompt first ms", title_justify="left")
    for heading in ("", "tokens/s", *others):
        table.add_column(heading, justify="right" if heading else "left")
    for label, samples in found.items():
        ratio = ratios(samples)
        cells = [f"{ratio[name]['median']:.2f}" if name in ratio else "" for name in others]
        table.add_row(label, f"{samples['gateway'].summary()['tokens_per_s']:.0f}", *cells)
        if label.startswith("1 x (1000"):
            first = {name: sample.summary()["first_ms_p50"] for name, sample in samples.items()}
            cells = [f"{first['gateway'] / first[name]:.2f}" if name in first else "" for name in others]
            table.add_row("   first ms", f"{first['gateway']:.0f}", *cells)
    console.print(table)
    for samples in found.values():
        whole = {name: sample for name, sample in samples.items() if name.startswith("whole gateway")}
        for name, sample in whole.items():
            pairs = zip(sample.rates, samples["bare loop"].rates, strict=True)
            share = statistics.median(ours / bare for ours, bare in pairs)
            console.print(f"{name} / bare loop: {share:.2f}")
        if whole:
            break


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process in megabytes, the mapped model included."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


async def run(arguments: argparse.Namespace, model: Path) -> dict[str, object]:
    """Measure everything; return it for JSON."""
    settings = Settings(
        model=model, threads=arguments.threads, slots=16, context=4096, kv_cells=24_576, around=around(model)
    )  # fmt: skip
    task = TASK if arguments.model else ""
    ours = Ours()
    contestants: list[Contestant] = [ours, Child("bare", "bare loop")]
    if binary := os.environ.get("LLAMA_SERVER"):
        contestants.append(LlamaServer(binary))
    contestants.append(WholeGateway())
    contestants.append(WholeGateway("whole gateway, own threads", sets_threads=False))
    contestants.append(Child("lock", "Llama + lock"))
    dice = random.Random(arguments.seed)
    report: dict[str, object] = {"threads": settings.threads, "model": model.name, "load": os.getloadavg()[0]}
    for contestant in contestants:
        await contestant.start(settings)
    try:
        warm = Load(clients=2, words=64, max_tokens=8, rounds=1)
        await measure(contestants, warm, dice, task)
        await measure(contestants, replace(warm, clients=1), dice, task)
        found = {}
        for load in loads(short=arguments.short):
            found[load.label] = samples = await measure(contestants, load, dice, task)
            ratio = ratios(samples)
            show(load, samples, ratio)
            report[load.label] = {name: s.summary() | {"ratio": ratio[name]} for name, s in samples.items()}
        report["memory_mb"] = {c.name: memory_mb(c.pid()) for c in contestants}
        show_ratios(found)
        for contestant in contestants[1:]:
            await contestant.stop()
        contestants = [ours]
        for name, question, short_rounds in (
            ("outside llama_decode, 8 slots", step_overhead, 2),
            ("same 1,000-token prefix again", prefix_reuse, 2),
            ("3,000-token prompt among 8 streams", stream_stall, 1),
        ):
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
    return report


def main() -> None:
    """Read arguments, make the model where none is given, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true", help="less than six minutes")
    parser.add_argument("--model", help="a file, or builtin:NAME; default: a synthetic one")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--json", type=Path, help="write everything here, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        named = resolve_model_path(arguments.model) if arguments.model else None
        model = named or Path(folder) / "synthetic.gguf"
        if not arguments.model:
            subprocess.run([sys.executable, TOOLS / "make_synthetic_model.py", model], check=True)
        report = asyncio.run(run(arguments, model))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
