"""How well findings match labels: precision, recall and F1 by type, by text, and for secrets.

A labelled span counts as found where a finding of its type covers at least half of what the two cover
together (intersection over union). A finding counts as wrong only in a row whose labels are complete for
its type, and only where it touches no labelled span of its type.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Span = tuple[int, int, str]
"""Start, end (in characters) and type."""
Row = Mapping[str, object]
Detect = Callable[[str], Sequence[Span]]
"""What is measured: a text in, the findings out."""

CORE = ("EMAIL", "PHONE", "CREDIT_CARD", "IBAN", "US_SSN", "IP")
STRUCTURED = (*CORE, "URL", "CRYPTO", "MAC", "BANK_ACCOUNT", "NATIONAL_ID", "VEHICLE")
NAMED = ("PERSON", "LOCATION", "ADDRESS", "ORG")
_PERSONAL = frozenset({"PERSON", "ADDRESS", "DOB", "SECRET"})
_IMPERSONAL = frozenset({"DATE", "ORG", "LOCATION", "TITLE", "NRP", "AGE", "ZIP"})
_LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Counts of one row of the table."""

    found: int
    wrong: int
    missed: int
    right_alone: int = 0
    """Texts without a datum in which nothing was found."""

    @property
    def precision(self) -> float:
        """Return the share of what was found that is right; 0 where nothing was found."""
        return self.found / (self.found + self.wrong) if self.found + self.wrong else 0.0

    @property
    def recall(self) -> float:
        """Return the share of what there is that was found; 0 where there is nothing."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 0.0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def false_alarms(self) -> float:
        """Return the share of texts without a datum in which one was found."""
        return self.wrong / (self.wrong + self.right_alone) if self.wrong + self.right_alone else 0.0


@dataclass(slots=True)
class _Counts:
    """What was counted over rows so far."""

    found: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    right_alone: Counter[str] = field(default_factory=Counter)

    def text(self, name: str, *, is_there: bool, is_found: bool) -> None:
        """Count a text that holds something, or does not, and was found to, or was not."""
        counter = (self.found if is_found else self.missed) if is_there else None
        if counter is None:
            counter = self.wrong if is_found else self.right_alone
        counter[name] += 1

    def figure(self, *names: str) -> Figure:
        """Return the sum over some names."""
        return Figure(
            found=sum(self.found[name] for name in names),
            wrong=sum(self.wrong[name] for name in names),
            missed=sum(self.missed[name] for name in names),
            right_alone=sum(self.right_alone[name] for name in names),
        )


def measure(rows: Iterable[Row], detect: Detect) -> dict[str, Figure]:
    """Return a figure for each type that is labelled, for core6, for texts, and each source of secrets."""
    counts = _Counts()
    secrets: set[str] = set()
    for row in rows:
        found = set(detect(str(row["text"])))
        if "doc_label" in row:
            secrets.add(name := _source(str(row["source"])))
            is_found = any(kind == "SECRET" for _, _, kind in found)
            counts.text(name, is_there=bool(row["doc_label"]), is_found=is_found)
        else:
            _count_spans(row, found, counts)
    types = [
        kind for kind in (*STRUCTURED, "SECRET", "DOB", *NAMED) if counts.found[kind] + counts.missed[kind]
    ]
    figures = {kind: counts.figure(kind) for kind in types}
    figures["core6"] = counts.figure(*CORE)
    return figures | {name: counts.figure(name) for name in ("structured", "any", *sorted(secrets))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the labels of one row say of what was found in it."""

    found: tuple[Span, ...]
    """Labelled spans that were found."""
    missed: tuple[Span, ...]
    """Labelled spans that were not."""
    wrong: tuple[Span, ...]
    """Findings that are none."""


def judged(row: Row, found: set[Span]) -> Judgement:
    """Return which labels of a row were found, and which findings are wrong."""
    gold: list[Span] = [(s["start"], s["end"], s["type"]) for s in row["spans"]]  # type: ignore[attr-defined]
    labelled = row["annotated_types"]
    hits = {
        span: {one for one in found if one[2] == span[2] and _overlap(span, one) >= _LEAST_OVERLAP}
        for span in gold
    }
    used = {one for each in hits.values() for one in each}
    return Judgement(
        found=tuple(span for span in gold if hits[span]),
        missed=tuple(span for span in gold if not hits[span]),
        wrong=tuple(
            one
            for one in sorted(found - used)
            if labelled == "all" or one[2] in labelled  # type: ignore[operator]
            if not any(_overlap(span, one) and _alike(span[2], one[2]) for span in gold)
        ),
    )


def _count_spans(row: Row, found: set[Span], counts: _Counts) -> None:
    judgement = judged(row, found)
    counts.found.update(kind for *_, kind in judgement.found)
    counts.missed.update(kind for *_, kind in judgement.missed)
    counts.wrong.update(kind for *_, kind in judgement.wrong)
    if row["annotated_types"] == "all":
        kinds = {str(span["type"]) for span in row["spans"]}  # type: ignore[attr-defined]
        types = {kind for *_, kind in found}
        has_structured = not kinds.isdisjoint(STRUCTURED)
        counts.text("structured", is_there=has_structured, is_found=not types.isdisjoint(STRUCTURED))
        has_any = has_structured or not kinds.isdisjoint(_PERSONAL)
        counts.text("any", is_there=has_any, is_found=bool(types - _IMPERSONAL))


def _alike(one: str, other: str) -> bool:
    return one == other or {one, other} <= {"URL", "EMAIL"}


def _overlap(one: Span, other: Span) -> float:
    shared = max(0, min(one[1], other[1]) - max(one[0], other[0]))
    return shared / (max(one[1], other[1]) - min(one[0], other[0])) if shared else 0.0


def _source(source: str) -> str:
    return "secrets leaky-repo" if "leaky" in source else f"secrets {source.split('/')[0]}"
