"""Measure the privacy scorer on generated texts: see the package's docstring.

python -m benchmarks.privacy_generated --half tune                  counts by type, kind of source and form
python -m benchmarks.privacy_generated --half tune --type PHONE --show 20     and rows that are wrong
python -m benchmarks.privacy_generated --half held                  counts alone
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from random import Random

from benchmarks.privacy import StillClock, ours, print_figures
from benchmarks.privacy_generated import measuring
from benchmarks.privacy_generated.measuring import KindCount, Measured
from benchmarks.privacy_generated.rows import rows
from benchmarks.privacy_generated.value import HALVES
from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer


def main() -> None:
    """Draw the rows of a half, measure them and print what the arguments ask for."""
    given = _arguments()
    if given.show and given.half != "tune":
        sys.exit("--show: rows of the held half are not shown; rules are made with --half tune in view")
    scorer = PrivacyScorer(PrivacyPolicy(), clock=StillClock())
    listed = measuring.measured(
        rows(given.half, given.seed, disguised=given.disguised, scale=given.scale), ours(scorer)
    )
    if given.type:
        print_crossed(given.type, measuring.crossed(listed, given.type))
    else:
        print_figures(f"half {given.half}, {len(listed)} texts", measuring.figures(listed))
        found, there = measuring.firms_found(listed)
        print(f"\nnumbers of firms, neither right nor wrong: found in {found} of {there} texts")
        nobodys = [each.row.text for each in listed if not each.row.spans and not each.row.source.also]
        if nobodys:
            classes = [scorer.score_text(text).privacy_class for text in nobodys]
            kept = sum(each >= PrivacyClass.CONFIDENTIAL for each in classes)
            print(f"texts with nothing private: {kept} of {len(nobodys)} are confidential or above")
        print_kinds("by kind of source", measuring.by_kind(listed, is_by_form=False))
        print_kinds("by form", measuring.by_kind(listed, is_by_form=True))
    if given.show:
        show(listed, given.type, given.show, given.seed)


def print_kinds(title: str, counts: Mapping[tuple[str, str], KindCount]) -> None:
    """Print counts by type and kind, those with the most faults of a type first."""
    print(f"\n{title}\n{'type':13} {'kind':42} {'texts':>6} {'found':>6} {'missed':>6} {'recall':>7}  wrong")
    for (kind, name), count in sorted(counts.items(), key=lambda item: (item[0][0], -_faults(item[1]))):
        print(_line(f"{kind:13} {name:42}", count))


def print_crossed(kind: str, counts: Mapping[tuple[str, str], KindCount]) -> None:
    """Print counts of one type by kind of source and family of form, the most faults first."""
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


def _faults(count: KindCount) -> int:
    return count.missed + count.wrong.total()


def _line(head: str, count: KindCount) -> str:
    there = count.found + count.missed
    recall = f"{count.found / there:7.3f}" if there else "      -"
    wrong = ", ".join(f"{kind} {number}" for kind, number in count.wrong.most_common())
    return f"{head} {count.texts:6} {count.found:6} {count.missed:6} {recall}  {wrong}".rstrip()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--half", choices=HALVES, required=True)
    parser.add_argument("--type", help="only this type of finding, by kind of source and form")
    parser.add_argument("--show", type=int, default=0, help="print so many rows with faults (tune half only)")
    parser.add_argument(
        "--disguised", action="store_true", help="values in disguise, which no other figure counts"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer rows a source (default: 1)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
