"""How well the scorer of complexity ranks, what learning adds, and what a prompt costs.

`python -m benchmarks.routing DATA`, DATA being a folder of labelled `routing_*.jsonl.gz` (no part of the
repository); prints tables, and with --output FILE writes JSON. Four sections:

* ranking: APGR where a subject, or a whole bench, was left out of training;
* learning: a base that never saw the bench (of MMLU: never those subjects) learns from n outcomes of it, and
  is tested on the rest; means of five draws;
* confidence: what the logits of the embedded model add (see training/demo_model/confidence.py);
* time: microseconds for a prompt of 60 to 2,000 characters, features and score, one core.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.complexity import Scorer, score_complexity
from gateway.domain.conversation import Message, Role
from gateway.offline.learning import learn
from gateway.offline.ranking import apgr, calibration_error
from training.complexity.heads import fit
from training.complexity.train import Outcomes, hand_head, outcomes_of, read_rows, tables
from training.demo_model import confidence

SIZES = (50, 100, 500)
DRAWS = 5
SEED = 20_261_125
SHORTEST, LONGEST = 60, 2000


class LearningRow(NamedTuple):
    """One bench and one number of outcomes, means of the draws."""

    bench: str
    outcomes: int
    base: float
    learned: float
    calibration_error: float
    moved_share: float


def _targets(data: Outcomes) -> dict[str, NDArray[np.intp]]:
    """Return the rows to learn from and to test on; of a bench with many subjects half of them."""
    found = {}
    for bench in np.unique(data.benches):
        rows = np.flatnonzero(data.benches == bench)
        if bench == "mmlu":
            subjects = np.random.default_rng(SEED).permutation(np.unique(data.subjects[rows]))
            rows = rows[np.isin(data.subjects[rows], subjects[: len(subjects) // 2])]
        found[str(bench)] = rows
    return found


def learning(data: Outcomes) -> list[LearningRow]:
    """Return what learning adds on each bench."""
    table = []
    for bench, rows in _targets(data).items():
        seen = np.setdiff1d(np.arange(len(data.benches)), rows)
        head = fit(data.features[seen], data.gains[seen], data.benches[seen], hand_head())
        base = Scorer(weights=tuple(head.weights), intercept=head.intercept, slope=head.slope, sha256="")
        table += [_learned(data, bench, rows, base, n) for n in SIZES if n <= len(rows) // 2]
    return table


def _learned(data: Outcomes, bench: str, rows: NDArray[np.intp], base: Scorer, outcomes: int) -> LearningRow:
    figures = []
    for draw in range(DRAWS):
        order = np.random.default_rng(SEED + draw).permutation(rows)
        first, rest = order[:outcomes], order[outcomes:]
        found = learn(data.features[first], data.gains[first], base)
        foretold, gains = data.features[rest] @ found.weights, data.gains[rest]
        scores = 1.0 / (1.0 + np.exp(-(found.intercept + found.slope * foretold)))
        error = calibration_error(scores, np.maximum(gains, 0.0))
        before = apgr(data.features[rest] @ np.array(base.weights), gains)
        figures.append((before, apgr(foretold, gains), error, float(found.is_moved)))
    base_apgr, learned_apgr, error, moved = (float(value) for value in np.mean(figures, axis=0))
    return LearningRow(bench, outcomes, base_apgr, learned_apgr, error, moved)


def times_us(prompts: list[str]) -> tuple[float, float]:
    """Return median and 99th percentile of scoring a prompt, in microseconds; of three times the best."""
    took = []
    for prompt in prompts:
        messages = (Message(role=Role.USER, content=prompt),)
        best = min(_took_ns(messages) for _ in range(3))
        took.append(best / 1000.0)
    median, late = np.percentile(took, [50, 99])
    return float(median), float(late)


def _took_ns(messages: tuple[Message, ...]) -> int:
    start = time.perf_counter_ns()
    score_complexity(messages)
    return time.perf_counter_ns() - start


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--only", choices=("ranking", "learning", "confidence", "time"))
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="draw the section on confidence (the extra `plots`)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE")
    options = parser.parse_args()
    data = outcomes_of(read_rows(options.data))
    result: dict[str, object] = {}
    if options.only in (None, "ranking"):
        result["ranking"] = text = tables(data)
        print(f"ranking, APGR\n{text}\n")
    if options.only in (None, "learning"):
        rows = learning(data)
        result["learning"] = [row._asdict() for row in rows]
        print(f"{'learning':14}{'outcomes':>9}{'base':>8}{'learned':>9}{'calibration error':>19}{'moved':>7}")
        for row in rows:
            print(
                f"{row.bench:14}{row.outcomes:9}{row.base:8.3f}{row.learned:9.3f}"
                f"{row.calibration_error:19.3f}{row.moved_share:7.0%}"
            )
    if options.only in (None, "confidence"):
        measured = confidence.measure(data.prompts)
        result["confidence"] = measured._asdict()
        confidence.print_tables(measured)
        if options.plot is not None:
            confidence.plot(measured, options.plot)
    if options.only in (None, "time"):
        prompts = [prompt for prompt in data.prompts if SHORTEST <= len(prompt) <= LONGEST][::4]
        median, late = times_us(prompts)
        result["time_us"] = {"median": median, "p99": late, "prompts": len(prompts)}
        print(f"\ntime per prompt: median {median:.0f} us, p99 {late:.0f} us, {len(prompts)} prompts")
    if options.output is not None:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
