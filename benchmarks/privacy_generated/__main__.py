"""Measure the privacy scorer on generated texts: see the package's docstring.

    python -m benchmarks.privacy_generated                  both halves side by side, with targets
    python -m benchmarks.privacy_generated --data FOLDER    and labelled texts, as of benchmarks.privacy
    python -m benchmarks.privacy_generated --half tune      one half, by kind of source and by form
    python -m benchmarks.privacy_generated --half tune --type PHONE --show 20    and rows that are wrong
    python -m benchmarks.privacy_generated --half held      counts alone

The exit status is 1 where a figure of floors.py is worse than what is held there.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.privacy import SHORT, Row, StillClock, benign, folders, large_ms, ours, rows_of, times_us
from benchmarks.privacy_generated import reports, tables
from benchmarks.privacy_generated.floors import broken
from benchmarks.privacy_generated.measuring import Measured, figures, measured, other_countries
from benchmarks.privacy_generated.rows import disguised_rows, rows, special_rows
from benchmarks.privacy_generated.special import SPECIAL
from benchmarks.privacy_generated.value import HALVES, Half
from benchmarks.privacy_inputs import LARGE
from benchmarks.privacy_measures import measure
from gateway.clock import SystemClock
from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer

_SHORT_TEXTS = 2_000
_SLOWEST = 5


def main() -> None:
    """Measure what the arguments name, and print it."""
    given = _arguments()
    if given.show and given.half != "tune":
        sys.exit("--show: rows of the held half are not shown; rules are made with --half tune in view")
    scorer = PrivacyScorer(PrivacyPolicy(), clock=StillClock())
    if given.half is None:
        sys.exit(_whole(scorer, given))
    draw = disguised_rows if given.disguised else rows
    listed = measured(draw(given.half, given.seed, scale=given.scale), ours(scorer))
    if given.type:
        reports.print_crossed(given.type, listed)
    else:
        reports.print_half(given.half, listed, kept(scorer, listed))
    if given.show:
        reports.show(listed, given.type, given.show, given.seed)


def kept(scorer: PrivacyScorer, listed: list[Measured]) -> float:
    """Return the share of texts with nothing private that are confidential or above."""
    texts = [each.row.text for each in listed if not each.row.spans and not each.row.source.also]
    return sum(scorer.score_text(text).privacy_class >= PrivacyClass.CONFIDENTIAL for text in texts) / len(
        texts
    )


def _whole(scorer: PrivacyScorer, given: argparse.Namespace) -> int:
    """Print the table of both halves, of labelled texts where they are given, and the times."""
    halves = {half: measured(rows(half, given.seed, scale=given.scale), ours(scorer)) for half in HALVES}
    columns = [_column(scorer, half, listed, given) for half, listed in halves.items()]
    strange = other_countries(halves["held"], halves["tune"])
    columns.append(tables.Column(title="held, new countries", figures=figures(strange)))
    if given.data:
        columns.append(_visible(scorer, given.data))
    print(tables.printed(tables.table(columns)))
    for half, listed in halves.items():
        reports.print_missed(half, listed)
    texts = {"generated": [each.row.text for listed in halves.values() for each in listed]}
    if given.data:
        texts["labelled"] = [str(row["text"]) for row in _labelled(given.data)]
    _print_times(texts)
    large = sorted(large_ms(scorer.score_text, LARGE).items(), key=lambda item: -item[1])[:_SLOWEST]
    slowest = ", ".join(f"{name} {ms:.0f} ms" for name, ms in large)
    print(f"100 kB of dense matches, the slowest kinds: {slowest} (target: 60)")
    print("\nThat nothing of this leaves masked or above its class is proved by: make test-egress")
    lines = broken(columns) if given.scale == 1 and given.seed == 1 else []
    print("\n".join(["", *lines]) if lines else "\nEvery figure that is held is as good as it was.")
    return 1 if lines else 0


def _print_times(texts: dict[str, list[str]]) -> None:
    ticking = PrivacyScorer(PrivacyPolicy(), clock=SystemClock())
    print()
    for name, listed in texts.items():
        short = [text for text in listed if len(text) in SHORT]
        times = times_us(ticking.score_text, short[:: max(1, len(short) // _SHORT_TEXTS)])
        median, p99 = times["median_us"], times["p99_us"]
        print(f"60 characters, {name}: median {median:.0f} us, p99 {p99:.0f} us (target: 120, 300)")


def _column(
    scorer: PrivacyScorer, half: Half, listed: list[Measured], given: argparse.Namespace
) -> tables.Column:
    hidden = measured(disguised_rows(half, given.seed, scale=given.scale), ours(scorer))
    asked = PrivacyScorer(PrivacyPolicy(weights=dict.fromkeys(SPECIAL, 0.5)), clock=StillClock())
    special = measured(special_rows(half, given.seed, scale=given.scale), ours(asked))
    return tables.column(half, listed, kept(scorer, listed), hidden, special)


def _visible(scorer: PrivacyScorer, data: Path) -> tables.Column:
    _, clean = folders(data, None)
    all_figures = measure(_labelled(data), ours(scorer))
    texts = [str(row.get("prompt", row.get("text"))) for row in rows_of(clean)] if clean else []
    shares = benign(scorer, texts) if texts else {}
    return tables.Column(
        title="labelled texts", figures=all_figures, flagged=shares.get("flagged"), kept=shares.get("kept")
    )


def _labelled(data: Path) -> list[Row]:
    return [row for row in rows_of(folders(data, None)[0]) if row["lang"] == "en"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--half", choices=HALVES, help="one half alone, by kind of source and of form")
    parser.add_argument(
        "--type", help="with --half: only this type of finding, kind of source by kind of form"
    )
    parser.add_argument("--show", type=int, default=0, help="print so many rows with faults (tune half only)")
    parser.add_argument("--disguised", action="store_true", help="with --half: values in disguise")
    parser.add_argument(
        "--data", type=Path, help="a folder of labelled texts, as benchmarks.privacy takes it"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer rows (default: 1)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
