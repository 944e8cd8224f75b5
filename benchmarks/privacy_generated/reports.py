"""What is printed of one half: figures, counts by kind of source and of form, and rows with faults."""

from collections.abc import Mapping, Sequence
from random import Random

from benchmarks.privacy import print_figures
from benchmarks.privacy_generated import measuring
from benchmarks.privacy_generated.measuring import KindCount, Measured

_MOST_MISSED = 25


def print_half(half: str, listed: Sequence[Measured], kept: float) -> None:
    """Print the figures of a half, and counts by kind of source and by family of form."""
    print_figures(f"half {half}, {len(listed)} texts", measuring.figures(listed))
    found, there = measuring.firms_found(listed)
    print(f"\nnumbers of firms, neither right nor wrong: found in {found} of {there} texts")
    print(f"texts with nothing private that are confidential or above: {kept:.4f}")
    _print_kinds("by kind of source", measuring.by_kind(listed, is_by_form=False))
    _print_kinds("by form", measuring.by_kind(listed, is_by_form=True))


def print_missed(half: str, listed: Sequence[Measured]) -> None:
    """Print the kinds of source of which most is missed or wrong."""
    counts = measuring.by_kind(listed, is_by_form=False)
    most = sorted(counts, key=lambda key: -_faults(counts[key]))[:_MOST_MISSED]
    _print_kinds(f"half {half}: the kinds with most faults", {key: counts[key] for key in most})


def print_crossed(kind: str, listed: Sequence[Measured]) -> None:
    """Print counts of one type by kind of source and family of form, the most faults first."""
    counts = measuring.crossed(listed, kind)
    print(f"\n{kind}\n{'source':42} {'form':28} {'texts':>6} {'found':>6} {'missed':>6} {'recall':>7}  wrong")
    for (source, family), count in sorted(counts.items(), key=lambda item: (-_faults(item[1]), item[0])):
        if _faults(count):
            print(_line(f"{source:42} {family:28}", count))
    found, missed = (sum(getattr(each, name) for each in counts.values()) for name in ("found", "missed"))
    wrong = sum(each.wrong[kind] for each in counts.values())
    print(f"in all: found {found}, missed {missed}, wrong {wrong}")


def show(listed: Sequence[Measured], kind: str | None, count: int, seed: int) -> None:
    """Print some rows with faults: their text, what was missed and what is wrong."""
    faulty = [
        each
        for each in listed
        if any(kind in (None, one) for *_, one in (*each.judgement.missed, *each.judgement.wrong))
    ]
    for each in Random(seed).sample(faulty, min(count, len(faulty))):
        text = each.row.text
        missed = [f"{one} {text[start:end]!r}" for start, end, one in each.judgement.missed]
        wrong = [f"{one} {text[start:end]!r}" for start, end, one in each.judgement.wrong]
        print(f"\n{each.row.source.name} ({each.row.source.kind}) in {each.row.form.family}\n  {text!r}")
        print(f"  missed: {', '.join(missed) or '-'}\n  wrong: {', '.join(wrong) or '-'}")


def _print_kinds(title: str, counts: Mapping[tuple[str, str], KindCount]) -> None:
    print(f"\n{title}\n{'type':16} {'kind':42} {'texts':>6} {'found':>6} {'missed':>6} {'recall':>7}  wrong")
    for (kind, name), count in sorted(counts.items(), key=lambda item: (item[0][0], -_faults(item[1]))):
        print(_line(f"{kind:16} {name:42}", count))


def _faults(count: KindCount) -> int:
    return count.missed + count.wrong.total()


def _line(head: str, count: KindCount) -> str:
    there = count.found + count.missed
    recall = f"{count.found / there:7.3f}" if there else "      -"
    wrong = ", ".join(f"{kind} {number}" for kind, number in count.wrong.most_common())
    return f"{head} {count.texts:6} {count.found:6} {count.missed:6} {recall}  {wrong}".rstrip()
