"""Train the shipped scorer: `python -m training.complexity.train --data DIR --vectors TABLE.npz`.

DIR holds `routing_*.jsonl.gz`, TABLE.npz is what `training.complexity.distil` wrote. Writes
`gateway/complexity/shipped/words.npz`, `scorer.json` and the tables of `CARD.md`; the same bytes each time.
"""

import argparse
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.complexity import features_of
from gateway.complexity.scorer_file import write_scorer
from gateway.complexity.static_words import word_table
from gateway.domain.conversation import Message, Role
from gateway.offline.ranking import apgr, interval
from training.complexity.heads import Head, by_hand, fit
from training.complexity.table import reduced, write_table

SHIPPED = Path(__file__).resolve().parents[2] / "gateway" / "scoring" / "shipped"
SEED = 20_261_125
FOLDS = 5

Floats = NDArray[np.float64]


class Outcomes(NamedTuple):
    """Rows of the data: what was asked, what was gained, and where it comes from."""

    prompts: list[str]
    features: Floats
    weak: Floats
    strong: Floats
    benches: NDArray[np.str_]
    subjects: NDArray[np.str_]

    @property
    def gains(self) -> Floats:
        """What the strong model's answer was better by."""
        return self.strong - self.weak


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return all rows of the routing data, in order."""
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("routing_*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows += map(json.loads, lines)
    return rows


def outcomes_of(rows: list[dict[str, Any]]) -> Outcomes:
    """Return the outcomes with their features."""
    prompts = [row["prompt"] for row in rows]
    features = [features_of([Message(role=Role.USER, content=prompt)]) for prompt in prompts]
    return Outcomes(
        prompts=prompts,
        features=np.array(features),
        weak=np.array([row["weak"] for row in rows], dtype=float),
        strong=np.array([row["strong"] for row in rows], dtype=float),
        benches=np.array([row["bench"] for row in rows]),
        subjects=np.array([f"{row['bench']}/{row['subject']}" for row in rows]),
    )


def hand_head() -> tuple[Floats, float]:
    """Return the head that was set by hand, for the table that ships."""
    table = word_table()
    return by_hand(table.numeric_mean, table.numeric_scale)


def grouped(data: Outcomes) -> Floats:
    """Return predictions of each row by heads that never saw its subject."""
    subjects = np.random.default_rng(SEED).permutation(np.unique(data.subjects))
    fold = {subject: i % FOLDS for i, subject in enumerate(subjects)}
    return _left_out(data, np.array([fold[subject] for subject in data.subjects]))


def left_out_benches(data: Outcomes) -> Floats:
    """Return predictions of each row by heads that never saw its bench."""
    return _left_out(data, np.unique(data.benches, return_inverse=True)[1])


def _left_out(data: Outcomes, groups: NDArray[np.intp]) -> Floats:
    predicted = np.zeros(len(groups))
    for group in np.unique(groups):
        seen = groups != group
        head = fit(data.features[seen], data.gains[seen], data.benches[seen], hand_head())
        weights = head.weights * head.slope  # Log-odds, so that folds are comparable.
        predicted[~seen] = data.features[~seen] @ weights + head.intercept
    return predicted


def by_bench(data: Outcomes, predicted: Floats) -> dict[str, tuple[float, float, float]]:
    """Return APGR of each bench with its interval."""
    found = {}
    for bench in np.unique(data.benches):
        s, g = predicted[data.benches == bench], data.gains[data.benches == bench]
        low, high = interval(lambda rows, s=s, g=g: apgr(s[rows], g[rows]), len(s))  # type: ignore[misc]
        found[str(bench)] = (apgr(s, g), low, high)
    return found


def tables(data: Outcomes) -> str:
    """Return what cross-validation says, as the card shows it."""
    ways = (
        ("subject left out", by_bench(data, grouped(data))),
        ("bench left out", by_bench(data, left_out_benches(data))),
        ("by hand", by_bench(data, data.features[:, : len(hand_head()[0])] @ hand_head()[0])),
        ("length", by_bench(data, np.array([len(prompt) for prompt in data.prompts], dtype=float))),
    )
    benches = list(ways[0][1])
    lines = [f"| | {' | '.join(benches)} | mean |", "|---|" + "---|" * (len(benches) + 1)]
    for name, found in ways:
        cells = [f"{value:.3f} ({low:.3f} to {high:.3f})" for value, low, high in found.values()]
        mean = np.mean([value for value, _, _ in found.values()])
        lines.append(f"| {name} | {' | '.join(cells)} | {mean:.3f} |")
    return "\n".join(lines)


def digest(folder: Path) -> str:
    """Return one hash of all files of data, to say what a scorer was made from."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("routing_*.jsonl.gz")):
        found.update(path.read_bytes())
    return found.hexdigest()


def text_of(head: Head, *, rows: int, data_hash: str) -> str:
    """Return the text of the scorer's file."""
    notes = {"made_by": "training/complexity", "outcomes": rows, "data_sha256": data_hash}
    return write_scorer(
        weights=tuple(head.weights.tolist()), intercept=head.intercept, slope=head.slope,
        is_calibrated=False, notes=notes,
    )  # fmt: skip


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True)
    options = parser.parse_args()
    rows = read_rows(options.data)
    with np.load(options.vectors) as arrays:
        pieces, vectors = [str(piece) for piece in arrays["words"]], arrays["vectors"].astype(np.float64)
    write_table(SHIPPED / "words.npz", pieces, reduced(vectors), [row["prompt"] for row in rows])
    data = outcomes_of(rows)
    head = fit(data.features, data.gains, data.benches, hand_head())
    text = text_of(head, rows=len(rows), data_hash=digest(options.data))
    (SHIPPED / "scorer.json").write_text(text, encoding="utf-8")
    print(tables(data))


if __name__ == "__main__":
    main()
