"""Measures a network on texts that it was not trained on, and sets how sure it must be."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gateway.privacy.names.decode import kind_of, names_in
from gateway.privacy.names.network import KINDS, Network
from gateway.privacy.names.words import Floats
from training.names.rows import Labelled

PROBABLE_PRECISION = {"PERSON": 0.928, "ADDRESS": 0.928, "LOCATION": 0.84, "ORG": 0.88}
LIKELY_PRECISION = 0.96
"""Of all findings from a probability on, in all collections together; places and firms have no weight."""
FEW = 20
"""A kind with fewer labels in a collection is not judged there."""
LEAST, MOST = 0.6, 0.99
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.01)
_LEAST_OVERLAP = 0.5


class Judged(NamedTuple):
    """A name that a network found, and whether it is right."""

    kind: str
    probability: float
    is_right: bool


def judged(rows: Sequence[Labelled], network: Network) -> list[Judged]:
    """Return what a network finds; what touches a label of its kind and is not right is left out."""
    found = []
    counts = Counter(span.kind for row in rows for span in row.spans)
    for row in rows:
        for name in names_in(row.text, network):
            kind = kind_of(name)
            if counts[kind] < FEW:
                continue
            overlaps = [_overlap(name.start, name.end, s.start, s.end) for s in row.spans if s.kind == kind]
            best = max(overlaps, default=0.0)
            if best >= _LEAST_OVERLAP or not best:
                found.append(Judged(kind, name.probability, best >= _LEAST_OVERLAP))
    return found


def _overlap(start: int, end: int, other_start: int, other_end: int) -> float:
    shared = max(0, min(end, other_end) - max(start, other_start))
    return shared / (max(end, other_end) - min(start, other_start))


def least(found: Sequence[Judged]) -> Floats:
    """Return for each kind from which probability on its findings are probable, and likely."""
    return np.array(
        [
            [_from(found, kind, precision) for precision in (PROBABLE_PRECISION[kind], LIKELY_PRECISION)]
            for kind in KINDS
        ],
        dtype=np.float32,
    )


def _from(found: Sequence[Judged], kind: str, precision: float) -> float:
    for at in np.arange(LEAST, MOST, 0.01):
        above = [one.is_right for one in found if one.kind == kind and one.probability >= at]
        if above and sum(above) >= precision * len(above):
            return float(at)
    return MOST


def reliability(found: Sequence[Judged]) -> str:
    """Return a table of the findings by kind and probability: how many there are, and are right."""
    lines = ["| probability | " + " | ".join(KINDS) + " |", "|---" * (len(KINDS) + 1) + "|"]
    for low, high in pairwise(BINS):
        cells = []
        for kind in KINDS:
            these = [one.is_right for one in found if one.kind == kind and low <= one.probability < high]
            cells.append(f"{sum(these)} of {len(these)}")
        lines.append(f"| {low} to {min(high, 1.0)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figures(rows: Sequence[Labelled], network: Network) -> Mapping[str, tuple[int, float, float]]:
    """Return for each kind how many there are, and precision and recall of what the network is sure of."""
    table = {}
    for number, kind in enumerate(KINDS):
        sure = [one for one in judged(rows, network) if one.kind == kind]
        sure = [one for one in sure if one.probability >= network.least[number][0]]
        there = found = 0
        for row in rows:
            spans = [s for s in row.spans if s.kind == kind]
            names = [
                name
                for name in names_in(row.text, network)
                if kind_of(name) == kind and name.probability >= network.least[number][0]
            ]
            there += len(spans)
            found += sum(
                any(_overlap(n.start, n.end, s.start, s.end) >= _LEAST_OVERLAP for n in names) for s in spans
            )
        right = sum(one.is_right for one in sure)
        table[kind] = there, right / max(1, len(sure)), found / max(1, there)
    return table
