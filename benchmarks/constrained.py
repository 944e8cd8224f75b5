"""What a JSON schema costs an answer, and what its forced tokens save.

    python -m benchmarks.constrained [--model FILE.gguf] [--threads N] [--answers N]

Without `--model` a synthetic model of 135M parameters is written (tools/make_synthetic_model.py). Each schema
is answered without a constraint, under it token by token, and under it with forced tokens in one step; the
three take turns, because machines are shared and noisy: quote the ratios.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import make_synthetic_model

from gateway.clock import Deadline, SystemClock
from gateway.engine.grammar.matcher import GrammarMatcher
from gateway.engine.grammar.schema_grammar import grammar_of
from gateway.engine.interfaces import Constraint, EngineRequest, Sampling
from gateway.engine.llama.llama_model import LlamaModel
from gateway.engine.llama.params import LlamaSettings
from gateway.engine.llama.sampler import LlamaSampler
from gateway.engine.scheduler import Scheduler
from gateway.engine.threads import default_threads

PROMPT = "Describe the customer and the order as JSON."
MAX_TOKENS = 120
SCHEMAS = {
    "weather call": {
        "location": {"type": "string", "maxLength": 12},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
    },
    "extraction": {
        "customer_name": {"type": "string", "maxLength": 16},
        "customer_age": {"type": "integer", "minimum": 0, "maximum": 150},
        "email_address": {"type": "string", "format": "email"},
        "is_returning_customer": {"type": "boolean"},
        "order_status": {"enum": ["pending", "shipped", "delivered", "cancelled"]},
    },
    "classification": {
        "category": {"enum": ["billing", "technical", "account", "other"]},
        "needs_human": {"type": "boolean"},
        "priority": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}


@dataclass(slots=True)
class Measured:
    """Answers of one kind, added up."""

    tokens: int = 0
    steps: int = 0
    taken_s: float = 0.0
    masks_s: list[float] = field(default_factory=list)

    @property
    def tokens_per_s(self) -> float:
        """Tokens of answers by second."""
        return self.tokens / self.taken_s


def answer(model: LlamaModel, schema: str | None, seed: int, found: Measured) -> None:
    """Answer the prompt once, alone, and add what it took."""
    scheduler = Scheduler(model, name="edge", clock=SystemClock(), deliver=lambda outputs: None)
    constraint = None if schema is None else Constraint(grammar=grammar_of(schema), request_field="x")
    request = EngineRequest(
        request_id="r",
        tenant="t",
        prompt=tuple(model.tokenize(PROMPT, parse_special=False)),
        max_tokens=40 if constraint is None else MAX_TOKENS,
        sampling=Sampling(temperature=0.7, top_p=0.95, seed=seed, constraint=constraint),
        matcher=None if constraint is None else model.matcher(constraint),
        deadline=Deadline.never(),
    )
    scheduler.submit(request)
    outputs = scheduler.step()  # Reads the prompt.
    start_s, before = perf_counter(), scheduler.metrics.steps
    while not scheduler.is_idle:
        outputs += scheduler.step()
    found.taken_s += perf_counter() - start_s
    found.tokens += scheduler.metrics.completion_tokens
    found.steps += scheduler.metrics.steps - before
    if outputs[-1].failure is not None:
        raise SystemExit(str(outputs[-1].failure))


def measured(model: LlamaModel, answers: int) -> dict[str, list[Measured]]:
    """Return, for each schema, answers without it, under it, and with forced tokens."""
    forced, mask = LlamaSampler.forced, GrammarMatcher.mask
    table = {name: [Measured(), Measured(), Measured()] for name in SCHEMAS}
    for seed in range(answers):
        for name, properties in SCHEMAS.items():
            schema = json.dumps({"type": "object", "properties": properties, "required": list(properties)})
            free, single, batched = table[name]
            answer(model, None, seed, free)
            try:
                LlamaSampler.forced = lambda self: []  # type: ignore[method-assign]  # Each token by itself.
                answer(model, schema, seed, single)
            finally:
                LlamaSampler.forced = forced  # type: ignore[method-assign]
            try:
                GrammarMatcher.mask = timed(mask, batched.masks_s)  # type: ignore[method-assign, assignment]
                answer(model, schema, seed, batched)
            finally:
                GrammarMatcher.mask = mask  # type: ignore[method-assign]
    return table


def timed(
    mask: Callable[[GrammarMatcher], NDArray[np.bool_]], masks_s: list[float]
) -> Callable[[GrammarMatcher], NDArray[np.bool_]]:
    """Return `mask`, which records its seconds."""

    def measure(self: GrammarMatcher) -> NDArray[np.bool_]:
        start_s = perf_counter()
        found = mask(self)
        masks_s.append(perf_counter() - start_s)
        return found

    return measure


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--answers", type=int, default=5, help="answers of each kind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model
        if path is None:
            path = Path(folder) / "synthetic.gguf"
            make_synthetic_model.write(path, make_synthetic_model.Shape())
        settings = LlamaSettings(
            path=path, context_tokens=512, slots=1, kv_cells=512, batch_tokens=512,
            threads=options.threads, prefill_threads=options.threads,
        )  # fmt: skip
        table = measured(LlamaModel(settings), options.answers)
    shown = Table(title=f"{path.name}, {options.threads} threads, {options.answers} answers of each kind")
    for column in ("schema", "tokens", "steps", "steps, forced", "free tok/s", "tok/s", "tok/s, forced",
                   "speed-up", "mask ms p50", "p99"):  # fmt: skip
        shown.add_column(column, justify="right")
    for name, (free, single, batched) in table.items():
        masks_ms = sorted(1000 * each for each in batched.masks_s) or [0.0]
        shown.add_row(
            name, str(batched.tokens), f"{single.steps / single.tokens:.2f}/token",
            f"{batched.steps / batched.tokens:.2f}/token", f"{free.tokens_per_s:.1f}",
            f"{single.tokens_per_s:.1f}", f"{batched.tokens_per_s:.1f}",
            f"{batched.tokens_per_s / single.tokens_per_s:.2f}x",
            f"{statistics.median(masks_ms):.2f}", f"{masks_ms[int(0.99 * len(masks_ms))]:.2f}",
        )  # fmt: skip
    Console(width=140).print(shown)


if __name__ == "__main__":
    main()
