"""What a detector makes of generated rows: counts by type, and by the kind of source and of form."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

from benchmarks.privacy_generated.value import LabelledRow
from benchmarks.privacy_measures import Detect, Figure, Judgement, Row, Span, judged, measure
from gateway.policy.model import FindingType

FIRMS = "number of a firm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A row, what was found in it, and what its labels say of that."""

    row: LabelledRow
    findings: frozenset[Span]
    judgement: Judgement


@dataclass(slots=True)
class KindCount:
    """How often the values of one kind were found in one family of forms."""

    found: int = 0
    missed: int = 0
    texts: int = 0
    wrong: Counter[str] = field(default_factory=Counter)


def measured(rows: Iterable[LabelledRow], detect: Detect) -> list[Measured]:
    """Return what is found in each row, and whether it is right."""
    listed = []
    for row in rows:
        findings = frozenset(detect(row.text))
        listed.append(Measured(row=row, findings=findings, judgement=judged(as_row(row), set(findings))))
    return listed


def as_row(row: LabelledRow) -> Row:
    """Return a row as the measuring of labelled texts takes it."""
    return {
        "text": row.text,
        "spans": [{"start": start, "end": end, "type": kind} for start, end, kind in row.spans],
        "annotated_types": [kind for kind in get_args(FindingType) if kind not in row.also]
        if row.also
        else "all",
    }


def figures(listed: Sequence[Measured]) -> dict[str, Figure]:
    """Return the figures that labelled texts get, by type and by text."""
    found: Iterator[frozenset[Span]] = iter([each.findings for each in listed])
    return measure((as_row(each.row) for each in listed), lambda text: tuple(next(found)))


def by_kind(listed: Sequence[Measured], *, is_by_form: bool) -> dict[tuple[str, str], KindCount]:
    """Return counts by type and by kind of source, or by family of form."""
    counts: dict[tuple[str, str], KindCount] = defaultdict(KindCount)
    for each in listed:
        kind = each.row.form.family if is_by_form else each.row.source.kind
        count = counts[each.row.source.type or "-", kind]
        count.texts += 1
        count.found += len(each.judgement.found)
        count.missed += len(each.judgement.missed)
        count.wrong.update(kind for *_, kind in each.judgement.wrong)
    return dict(counts)


def crossed(listed: Sequence[Measured], kind: str) -> dict[tuple[str, str], KindCount]:
    """Return counts of one type by kind of source and family of form."""
    counts: dict[tuple[str, str], KindCount] = defaultdict(KindCount)
    for each in listed:
        if kind not in (each.row.source.type, *(wrong for *_, wrong in each.judgement.wrong)):
            continue
        count = counts[each.row.source.kind, each.row.form.family]
        count.texts += 1
        count.found += sum(one == kind for *_, one in each.judgement.found)
        count.missed += sum(one == kind for *_, one in each.judgement.missed)
        count.wrong.update(one for *_, one in each.judgement.wrong if one == kind)
    return dict(counts)


def firms_found(listed: Sequence[Measured]) -> tuple[int, int]:
    """Return in how many texts the number of a firm is taken for a person's, and how many there are."""
    firms = [each for each in listed if each.row.source.kind == FIRMS]
    found = sum(any(kind in each.row.source.also for *_, kind in each.findings) for each in firms)
    return found, len(firms)


def other_countries(listed: Sequence[Measured], others: Sequence[Measured]) -> list[Measured]:
    """Return the rows of countries that the others have not for the type, from whichever source."""
    known = {(each.row.source.type, each.row.source.country) for each in others if each.row.source.country}
    return [
        each
        for each in listed
        if not each.row.source.type or (each.row.source.type, each.row.source.country) not in known
    ]


def texts_found(listed: Sequence[Measured], kind: str) -> float:
    """Return the share of texts in which a type is found anywhere."""
    return sum(any(one == kind for *_, one in each.findings) for each in listed) / max(1, len(listed))


def recall_by_family(listed: Sequence[Measured]) -> dict[str, float]:
    """Return by family of forms how many values are found."""
    found: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for each in listed:
        found[each.row.form.family] += len(each.judgement.found)
        there[each.row.form.family] += len(each.row.spans)
    return {family: found[family] / there[family] for family in there}
