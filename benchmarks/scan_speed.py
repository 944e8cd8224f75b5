"""Measure what a privacy scan costs in CPU time, and compare it with another checkout of the repository.

    python -m benchmarks.scan_speed [--against CHECKOUT] [--texts FOLDER] [--rounds 7] [--short-only]

Each side is a process of its own; the two take turns text by text, so that both meet the same noise. A figure
is the median over the rounds. Short texts are made from the kinds of `privacy_inputs`, 60 characters each, or
are those of 50 to 70 characters in the *.jsonl.gz files of a folder. Large ones are 100 kB of each kind.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

SHORT_CHARS = 60
SHORT = range(50, 71)
"""Characters of the short texts of a folder."""
TEXTS_PER_KIND = 12
BATCH = 64
"""Short texts in one turn of a side."""
WARM_UP_TEXTS = 400


def serve() -> None:
    """Score the lists of texts that come in, one JSON line each, and answer each with CPU microseconds."""
    # Imported here, since only a side imports the checkout that it measures.
    from gateway.clock import SystemClock
    from gateway.policy.model import PrivacyPolicy
    from gateway.privacy import PrivacyScorer

    scorer = PrivacyScorer(PrivacyPolicy(limit_ms=10_000), clock=SystemClock())
    for line in sys.stdin:
        taken = []
        for text in json.loads(line):
            start = time.process_time_ns()
            scorer.score_text(text)
            taken.append((time.process_time_ns() - start) / 1000)
        print(json.dumps(taken), flush=True)


class Side:
    """A process that scores texts with the package of one checkout."""

    def __init__(self, checkout: Path, on_exit: ExitStack) -> None:
        self._process = on_exit.enter_context(
            subprocess.Popen(
                [sys.executable, "-P", __file__, "--serve"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": str(checkout)}, cwd=checkout,
            )
        )  # fmt: skip

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return the CPU time of each text, in microseconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(texts) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit("a side ended before it answered; its error is above")
        return [float(each) for each in json.loads(answer)]


def short_texts(folder: Path | None) -> list[str]:
    """Return the short texts of a folder, or made-up ones of each kind."""
    if folder is not None:
        from benchmarks.privacy import rows_of

        return [text for row in rows_of(folder) if len(text := str(row.get("text", ""))) in SHORT]
    from benchmarks.privacy_inputs import LARGE

    return [
        f"{LARGE['prose'][at * 97 :][:18]} {text[at * 1009 :][: SHORT_CHARS - 19]}"
        for text in LARGE.values()
        for at in range(TEXTS_PER_KIND)
    ]


def medians(sides: Sequence[Side], texts: Sequence[str], rounds: int, batch: int) -> list[list[float]]:
    """Return, for each side, the median time of each text over the rounds."""
    taken: list[list[list[float]]] = [[[] for _ in texts] for _ in sides]
    for turn in range(rounds):
        for first in range(0, len(texts), batch):
            part = texts[first : first + batch]
            for side in range(len(sides)) if turn % 2 == 0 else reversed(range(len(sides))):
                for at, each in enumerate(sides[side].score(part), start=first):
                    taken[side][at].append(each)
    return [[median(each) for each in side] for side in taken]


def print_row(name: str, figures: Sequence[float], unit: str) -> None:
    """Print a figure of each side, and how much the first is of the second."""
    cells = "".join(f"{each:12.1f}" for each in figures)
    ratio = f"{figures[0] / figures[1]:8.2f}" if len(figures) > 1 and figures[1] else ""
    print(f"{name:32}{cells}{ratio}  {unit}")


def large_texts() -> Mapping[str, str]:
    """Return 100 kB of each kind."""
    from benchmarks.privacy_inputs import LARGE

    return LARGE


def main() -> None:
    """Measure this checkout, and the other one beside it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="another checkout of the repository")
    parser.add_argument("--texts", type=Path, help="folder of texts; else short texts are made up")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--short-only", action="store_true", help="leave out the large texts")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return
    checkouts = [Path(__file__).resolve().parents[1], *([given.against.resolve()] if given.against else [])]
    texts = short_texts(given.texts)
    with ExitStack() as on_exit:
        sides = [Side(each, on_exit) for each in checkouts]
        for side in sides:
            side.score(texts[:WARM_UP_TEXTS])
        columns = "".join(f"{name:>12}" for name in ("this", "other")[: len(sides)])
        print(f"{'':32}{columns}{'ratio' if len(sides) > 1 else '':>8}  CPU time")
        times = [sorted(each) for each in medians(sides, texts, given.rounds, BATCH)]
        print_row("60 characters, median", [each[len(each) // 2] for each in times], "us")
        print_row("60 characters, 99th percentile", [each[len(each) * 99 // 100] for each in times], "us")
        large = {} if given.short_only else large_texts()
        slowest = [0.0] * len(sides)
        for name, text in large.items():
            figures = [each[0] / 1000 for each in medians(sides, [text], min(3, given.rounds), 1)]
            slowest = list(map(max, slowest, figures))
            print_row(name, figures, "ms")
        if large:
            print_row("100 kB of the slowest kind", slowest, "ms")


if __name__ == "__main__":
    main()
