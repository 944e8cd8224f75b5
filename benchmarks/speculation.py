"""What guessed tokens (`speculation: prompt_lookup`) gain, task by task, and whether answers stay the same.

    python -m benchmarks.speculation [--model FILE.gguf] [--draft FILE.gguf]
        [--threads N] [--rounds N] [--json FILE]
    LLAMA_SERVER=/path/to/llama-server python -m benchmarks.speculation

Without `--model` it is SmolLM2-135M (`gateway models add smollm2-135m`). With `--draft` a draft model guesses
in place of prompt lookup (`draft` in the policy). Each task is answered greedily
without and with guesses, in turns, because machines are shared and noisy: quote the ratios. A step of several
rows sums in another order than one of one row, so of two tokens that are nearly equally likely the other one
may come: "same" tells for how many tokens both answers agree. The first line tells what a step of more rows
costs, as a multiple of a step of one row: guessing can gain no more than that leaves.

With LLAMA_SERVER a second table has an engine that guesses beside llama-server with its defaults, each
through its own socket, in turns.
"""

import argparse
import asyncio
import json
import os
import statistics
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.engine_contestants import Contestant, LlamaServer, Ours, Settings, around
from gateway.clock import Deadline, SystemClock
from gateway.engine.draft import NO_SPECULATION, Draft, Speculation
from gateway.engine.interfaces import BatchToken, EngineRequest, Sampling
from gateway.engine.llama.llama_model import LlamaModel
from gateway.engine.llama.params import LlamaSettings
from gateway.engine.load_draft import draft_file, load_draft
from gateway.engine.models import resolve_model_path
from gateway.engine.prefix_cache import common_length
from gateway.engine.prompt import PromptMaker
from gateway.engine.scheduler import Scheduler
from gateway.engine.template.chat_template import PLAIN_TEMPLATE, ChatTemplate
from gateway.engine.template.turns import Turn
from gateway.engine.threads import thread_choices

MAX_TOKENS = 160
PROMPT = 64
ROWS = (1, 2, 3, 4, 6, 8, 12, 16)
REPEATS = 8
REPORT = """The harbour office reported on Tuesday that the ferry Aurora will not sail until the port engine
has been inspected. Captain Lindqvist said that the crew heard a knocking noise near the island of Vinga and
decided to turn back. All 214 passengers were taken to Gothenburg by bus. The company expects the inspection
to take two days and will run the smaller ferry Selma twice a day until Friday. Tickets for the Aurora stay
valid on the Selma, and passengers who do not want to wait get their money back at the office."""
CODE = """def total(items):
    result = 0
    for item in items:
        if item.price is not None:
            result = result + item.price * item.count
    return result"""
FREE_TEXT = "free text"
TASKS = {
    "summarise": f"Summarise this report in three sentences:\n\n{REPORT}",
    "edit": f"Write this report again, with the name Aurora replaced by Borealis:\n\n{REPORT}",
    "extract": f"Copy every sentence of this report that has a name in it:\n\n{REPORT}",
    "JSON": 'Write these as a JSON list of objects with "name" and "price": apple 3, pear 4, plum 5, fig 6.',
    "code": f"Write this function again with type annotations:\n\n{CODE}",
    FREE_TEXT: "Tell me a short story about a lighthouse and a storm.",
}


@dataclass(slots=True)
class Answers:
    """The answers to one task, one way."""

    tokens: list[int] = field(default_factory=list)
    """Of one answer: they are all the same."""
    steps: list[int] = field(default_factory=list)
    guessed: int = 0
    right: int = 0
    rates: list[float] = field(default_factory=list)
    """Tokens a second after the first, of each answer."""

    @property
    def tokens_per_s(self) -> float:
        """The median rate."""
        return statistics.median(self.rates)


def answer(scheduler: Scheduler, model: LlamaModel, prompt: tuple[int, ...], found: Answers) -> None:
    """Answer a prompt once, alone, and add what it took."""
    metrics = scheduler.metrics
    request = EngineRequest(
        request_id="r",
        tenant="t",
        prompt=prompt,
        max_tokens=MAX_TOKENS,
        sampling=Sampling(temperature=0.0, top_p=1.0, seed=None),
        deadline=Deadline.never(),
    )
    begun = metrics.completion_tokens
    scheduler.submit(request)
    while metrics.completion_tokens == begun:
        outputs = scheduler.step()
    start_s, steps = perf_counter(), metrics.steps
    guessed, right = metrics.guessed_tokens, metrics.right_tokens
    while not scheduler.is_idle:
        outputs += scheduler.step()
    taken_s = perf_counter() - start_s
    failure = outputs[-1].failure
    if failure is not None:
        raise SystemExit(str(failure))
    found.tokens = model.tokenize("".join(output.text for output in outputs), parse_special=False)
    found.rates.append((metrics.completion_tokens - begun - 1) / taken_s)
    found.steps.append(metrics.steps - steps)
    found.guessed += metrics.guessed_tokens - guessed
    found.right += metrics.right_tokens - right


def measured(model: LlamaModel, rounds: int, draft: Draft | None) -> dict[str, tuple[Answers, Answers]]:
    """Return, for each task, the answers without and with guesses."""
    template = ChatTemplate(model.chat_template or PLAIN_TEMPLATE, bos=model.bos_text, eos=model.eos_text)
    prompts = PromptMaker(model, template)
    schedulers = [
        Scheduler(
            model,
            name="edge",
            clock=SystemClock(),
            deliver=lambda outputs: None,
            speculation=Speculation(looks_up=draft is None, draft=draft) if guesses else NO_SPECULATION,
        )
        for guesses in (False, True)
    ]
    table = {name: (Answers(), Answers()) for name in TASKS}
    for _ in range(rounds):
        for name, question in TASKS.items():
            prompt = prompts.tokens([Turn("user", question)])
            for scheduler, found in zip(schedulers, table[name], strict=True):
                answer(scheduler, model, prompt, found)
    return table


LEAST_RATIO, LEAST_OF_FREE_TEXT = 1.5, 1.0
"""What guessing is to gain over llama-server's defaults: the median ratio of tokens a second."""


async def beside_server(
    binary: str, settings: Settings, rounds: int, keys: dict[str, object]
) -> dict[str, list[tuple[float, float]]]:
    """Return, for each task and round, the tokens a second of an engine with `keys` and of llama-server."""
    contestants: list[Contestant] = [Ours(**keys), LlamaServer(binary)]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in TASKS}
    started = list[Contestant]()
    try:
        for contestant in contestants:
            await contestant.start(settings)
            started.append(contestant)
            await contestant.run([TASKS[FREE_TEXT]], 8)
        for _ in range(rounds):
            for name, question in TASKS.items():
                ours, theirs = [
                    1 / (await each.run([question], MAX_TOKENS))[0].per_token_s for each in contestants
                ]
                found[name].append((ours, theirs))
    finally:
        for contestant in started:
            await contestant.stop()
    return found


async def _beside(
    binary: str, path: Path, options: argparse.Namespace
) -> dict[str, list[tuple[float, float]]]:
    settings = Settings(
        model=path, threads=options.threads, slots=1, context=1024, kv_cells=1024, around=around(path)
    )
    keys: dict[str, object] = {"draft": options.draft} if options.draft else {"speculation": "prompt_lookup"}
    return await beside_server(binary, settings, options.rounds, keys)


def server_table(found: dict[str, list[tuple[float, float]]]) -> Table:
    """Return what guessing gains over llama-server, with the targets."""
    table = Table(title="through a socket: guessing / llama-server with its defaults", title_justify="left")
    for heading in ("task", "tok/s", "theirs", "ratio", "target", ""):
        table.add_column(heading, justify="right" if heading != "task" else "left")
    for name, pairs in found.items():
        each = [ours / theirs for ours, theirs in pairs]
        ratio, least = statistics.median(each), LEAST_OF_FREE_TEXT if name == FREE_TEXT else LEAST_RATIO
        table.add_row(
            name,
            *(f"{statistics.median(rates):.0f}" for rates in zip(*pairs, strict=True)),
            f"{ratio:.2f} ({min(each):.2f}-{max(each):.2f})",
            f">= {least:.2f}",
            "met" if ratio >= least else "missed",
        )
    return table


def row_costs(model: LlamaModel) -> dict[int, float]:
    """Return what a step of so many rows with logits takes, as a multiple of a step of one row."""
    least_s: dict[int, float] = {}
    model.decode([BatchToken(i, i, 0, i == PROMPT - 1) for i in range(PROMPT)])
    for rows in ROWS * REPEATS:
        start_s = perf_counter()
        model.decode([BatchToken(i, PROMPT + i, 0, True) for i in range(rows)])
        least_s[rows] = min(perf_counter() - start_s, least_s.get(rows, inf))
        model.truncate(0, PROMPT)
    model.truncate(0, 0)
    return {rows: taken_s / least_s[1] for rows, taken_s in least_s.items()}


def main() -> None:
    """Print the table, and write it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="builtin:smollm2-135m")
    parser.add_argument("--draft")
    parser.add_argument("--threads", type=int, default=thread_choices()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    path = resolve_model_path(options.model)
    settings = LlamaSettings(
        path=path, context_tokens=1024, slots=1, kv_cells=1024, batch_tokens=512,
        threads=options.threads, prefill_threads=options.threads,
    )  # fmt: skip
    model = LlamaModel(settings)
    costs = row_costs(model)
    draft, draft_model = None, None
    if options.draft is not None:
        draft, draft_model = load_draft(draft_file(options.draft, settings), model, path)
    table = measured(model, options.rounds, draft)
    console = Console(width=80)
    console.print(f"a step of {', '.join(f'{rows} rows {cost:.1f}x' for rows, cost in costs.items())}")
    shown = Table(title=f"{path.name}, {options.threads} threads, median of {options.rounds}")
    for column in ("task", "tokens", "tok/s", "guessing", "ratio", "right", "steps", "same"):
        shown.add_column(column, justify="right")
    for name, (plain, guessed) in table.items():
        count = len(plain.tokens)
        same = common_length(plain.tokens, guessed.tokens)
        shown.add_row(
            name, str(count), f"{plain.tokens_per_s:.0f}", f"{guessed.tokens_per_s:.0f}",
            f"{guessed.tokens_per_s / plain.tokens_per_s:.2f}", f"{guessed.right}/{guessed.guessed}",
            f"{guessed.steps[0]}-{guessed.steps[-1]}", f"{same}/{count}",
        )  # fmt: skip
    console.print(shown)
    if draft_model is not None and draft is not None:
        draft.close()
        draft_model.close()
    model.close()
    if binary := os.environ.get("LLAMA_SERVER"):
        console.print(server_table(asyncio.run(_beside(binary, path, options))))
    if options.json is not None:
        options.json.write_text(
            json.dumps(
                {
                    "row_costs": costs,
                    "tasks": {name: [asdict(each) for each in pair] for name, pair in table.items()},
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
