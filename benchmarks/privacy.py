"""Measure the privacy scorer on labelled texts, and how fast it is.

    python -m benchmarks.privacy FOLDER [--benign FOLDER] [--language pl] [--half 0] [--json FILE]

FOLDER holds *.jsonl.gz files of one JSON object a line:
    text              the text
    spans             [{"start", "end", "type"}, ...], in characters
    annotated_types   "all", or the types for which no span means that there is none
    lang, group       its language, and the template or file that it came from
    doc_label         in place of spans: whether the text holds a secret (`source` names whose text it is)
The folder of --benign has rows with a `prompt` (or `text`) that holds nothing private. FOLDER may also hold
two folders, privacy/ of labelled texts and routing/ of benign ones. The last table sums up.

Where `presidio-analyzer` is installed, its pattern recognizers are measured on the same rows (threshold 0.4).
--half keeps the groups of one half (0 or 1), so that a rule made on one can be tried on the other.
Times are CPU time of one core, each text by itself after a warm-up; the machine should be idle.
"""

import argparse
import gzip
import importlib
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.privacy_inputs import LARGE
from benchmarks.privacy_measures import STRUCTURED, Detect, Figure, Span, measure
from benchmarks.privacy_table import LARGE_TITLE, ON_LOOP_TITLE, table
from gateway.clock import SystemClock
from gateway.domain.privacy import PrivacyClass
from gateway.pipeline.assess import ON_LOOP_BYTES
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer

SHORT = range(50, 71)
"""Characters of the texts that the times of short texts are taken on: about 60."""
REPEATS = 5
Row = dict[str, Any]


class StillClock(SystemClock):
    """A clock on which no detector is late, so that quality does not depend on the machine."""

    def monotonic_s(self) -> float:
        """Return one moment."""
        return 0.0


def rows_of(folder: Path) -> Iterator[Row]:
    """Yield the rows of every file of a folder."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def ours(scorer: PrivacyScorer) -> Detect:
    """Return what the gateway finds in a text."""
    return lambda text: [(f.start, f.end, f.type) for f in scorer.score_text(text).findings]


def presidio() -> Detect | None:
    """Return what Presidio's patterns find in a text; None where it is not installed."""
    try:
        analyzer: Any = importlib.import_module("presidio_analyzer")
        engine: Any = importlib.import_module("presidio_analyzer.nlp_engine")
    except ImportError:
        return None
    registry = analyzer.RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    patterns = [one for one in registry.recognizers if type(one).__name__ != "SpacyRecognizer"]
    names = {
        "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "IBAN_CODE": "IBAN", "IP_ADDRESS": "IP",
        "CREDIT_CARD": "CREDIT_CARD", "US_SSN": "US_SSN", "URL": "URL", "CRYPTO": "CRYPTO",
        "MAC_ADDRESS": "MAC", "US_BANK_NUMBER": "BANK_ACCOUNT",
    }  # fmt: skip
    nothing = engine.NlpArtifacts([], None, [], [], None, "en")

    def detect(text: str) -> Sequence[Span]:
        found = [hit for one in patterns for hit in one.analyze(text, one.supported_entities, nothing) or ()]
        return [
            (hit.start, hit.end, names.get(hit.entity_type, "NATIONAL_ID"))
            for hit in found
            if hit.score >= 0.4
        ]

    return detect


def times_us(detect: Callable[[str], object], texts: Sequence[str]) -> dict[str, float]:
    """Return the median and the 99th percentile of the time for a text, in microseconds."""
    taken = []
    for text in texts[:200]:
        detect(text)
    for text in [*texts] * REPEATS:
        start = time.thread_time_ns()
        detect(text)
        taken.append((time.thread_time_ns() - start) / 1000)
    taken.sort()
    return {"median_us": taken[len(taken) // 2], "p99_us": taken[len(taken) * 99 // 100]} if taken else {}


def large_ms(detect: Callable[[str], object], texts: dict[str, str]) -> dict[str, float]:
    """Return the best of three times for each large text, in milliseconds."""
    best = {}
    for name, text in texts.items():
        taken = []
        for _ in range(3):
            start = time.thread_time_ns()
            detect(text)
            taken.append((time.thread_time_ns() - start) / 1e6)
        best[name] = min(taken)
    return best


def benign(scorer: PrivacyScorer, texts: Sequence[str]) -> dict[str, float]:
    """Return how often a text without anything private is flagged, and how often it is kept at home."""
    kept = named = 0
    for text in texts:
        privacy = scorer.score_text(text)
        named += "PERSON" in {finding.type for finding in privacy.findings}
        kept += privacy.privacy_class >= PrivacyClass.CONFIDENTIAL
    size = max(1, len(texts))
    return {
        "texts": len(texts),
        "flagged": flagged(ours(scorer), texts),
        "kept": kept / size,
        "names": named / size,
    }


def flagged(detect: Detect, texts: Sequence[str]) -> float:
    """Return the share of texts in which structured data or a secret is found."""
    wanted = {*STRUCTURED, "SECRET"}
    return sum(any(kind in wanted for _, _, kind in detect(text)) for text in texts) / max(1, len(texts))


def print_figures(title: str, figures: dict[str, Figure]) -> None:
    """Print one figure a line."""
    print(f"\n{title}\n{'':20} {'there':>6} {'precision':>10} {'recall':>8} {'F1':>8} {'false alarms':>13}")
    for name, figure in figures.items():
        alarms = f"{figure.false_alarms:13.3f}" if figure.right_alone else ""
        there = figure.found + figure.missed
        print(f"{name:20} {there:6} {figure.precision:10.4f} {figure.recall:8.4f} {figure.f1:8.4f} {alarms}")


def print_numbers(title: str, numbers: dict[str, float]) -> None:
    """Print one number a line."""
    print(f"\n{title}")
    for name, number in numbers.items():
        print(f"{name:20} {number:10.4f}")


def main() -> None:
    """Measure what the arguments name, print it, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--benign", type=Path, help="folder of texts that hold nothing private")
    parser.add_argument("--language", default="en", help="rows of this language (default: en)")
    parser.add_argument("--half", type=int, choices=(0, 1), help="groups of this half only")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    given = parser.parse_args()
    folder, clean = folders(given.folder, given.benign)
    rows = [row for row in rows_of(folder) if row["lang"] == given.language]
    if given.half is not None:
        rows = [row for row in rows if zlib.crc32(str(row["group"]).encode()) % 2 == given.half]
    if not rows:
        sys.exit(f"{folder}: no rows of language {given.language}")
    texts = [str(row.get("prompt", row.get("text"))) for row in rows_of(clean)] if clean else []
    short = [str(row["text"]) for row in rows if len(row["text"]) in SHORT]
    still = PrivacyScorer(PrivacyPolicy(), clock=StillClock())
    ticking = PrivacyScorer(PrivacyPolicy(), clock=SystemClock())
    quality = {"gateway": measure(rows, ours(still))}
    numbers = {
        "gateway": {
            **({"benign texts": benign(still, texts)} if texts else {}),
            "texts of 60 characters": times_us(ticking.score_text, short),
            LARGE_TITLE: large_ms(still.score_text, LARGE),
            ON_LOOP_TITLE: large_ms(
                still.score_text, {kind: text[:ON_LOOP_BYTES] for kind, text in LARGE.items()}
            ),
        }
    }
    if (other := presidio()) is not None:
        quality["presidio"] = measure(rows, other)
        numbers["presidio"] = {
            **({"benign texts": {"flagged": flagged(other, texts)}} if texts else {}),
            "texts of 60 characters": times_us(other, short),
        }
    for name, figures in quality.items():
        print_figures(f"{name}, {len(rows)} rows, language {given.language}", figures)
    for name, titles in numbers.items():
        for title, each in titles.items():
            print_numbers(f"{name}, {title}", each)
    print()
    for question, *cells in table(quality, numbers):
        print(f"{question:48}", "".join(f"{cell:24}" for cell in cells).rstrip())
    if given.json:
        given.json.write_text(json.dumps(as_json(quality, numbers), indent=2) + "\n", encoding="utf-8")


def folders(folder: Path, clean: Path | None) -> tuple[Path, Path | None]:
    """Return where labelled and benign texts are: named, or privacy/ and routing/ of one folder."""
    if not any(folder.glob("*.jsonl.gz")) and (folder / "privacy").is_dir():
        routing = folder / "routing"
        return folder / "privacy", clean or (routing if routing.is_dir() else None)
    return folder, clean


def as_json(quality: dict[str, dict[str, Figure]], numbers: dict[str, dict[str, dict[str, float]]]) -> object:
    """Return all figures by who was measured."""
    return {
        name: {
            kind: {
                "precision": f.precision,
                "recall": f.recall,
                "f1": f.f1,
                "false_alarms": f.false_alarms,
            }
            for kind, f in figures.items()
        }
        | numbers[name]
        for name, figures in quality.items()
    }


if __name__ == "__main__":
    main()
