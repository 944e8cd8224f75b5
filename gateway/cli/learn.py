"""`gateway learn`: learns a complexity scorer from outcomes of traffic."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gateway.cli.exits import MISUSED, CommandFailed, reading
from gateway.cli.option_groups import option, with_groups
from gateway.cli.options import Json
from gateway.cli.score import opened_scorer
from gateway.complexity.complexity import shipped_scorer
from gateway.domain.files import replacing
from gateway.offline.conversation_head import FirstHead, LearnedHead, learn_head
from gateway.offline.learning import (
    Learned,
    TooFewOutcomes,
    interval_text,
    measured,
    objections_to,
    scorer_text,
)
from gateway.offline.learning import learn as learned_from
from gateway.offline.outcomes import BadOutcome, QualityOutcome, gains_of, read_outcomes
from gateway.offline.recorded_outcomes import RecordedOutcomes, recorded_outcomes
from gateway.offline.tenant_shares import TenantShare
from gateway.policy.complexity import Scorer
from gateway.policy.loading.messages import counted
from gateway.records.reading import read_lines

Output = Annotated[Path, typer.Option("--output", metavar="FILE", help="The scorer file to write.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnFlags:
    """Where outcomes are read from, and what is made of them."""

    outcomes: Path | None = option(None, "FILE", "Outcomes as JSON lines; `-` is standard input.")
    decisions: Path | None = option(None, "FILE", "The --decisions file of gateway serve.")
    base: str = option("shipped", "FILE", "The scorer to start from; `shipped` is the packaged one.")
    accept: bool = option(
        False, None, "Write the scorer even if it is no better than chance, or worse for a tenant."
    )


@with_groups
def learn(*, output: Output, flags: LearnFlags, as_json: Json = False) -> None:
    """Learn a complexity scorer from outcomes of your own traffic.

    A line of --outcomes is {"id", "text", "weak", "strong", "tenant"}: "weak" and "strong" are the quality of
    the answers of the edge model and of the cloud model, 0 to 1. One of the two is enough, "tenant" is
    optional, and "features" of a record may replace "text".

    In the records of --decisions a request with features is an outcome if it has feedback, or if the
    policy's `mirror` had it answered by both sides.

    The printed figures come from cross-validation: each outcome is predicted by weights that were fitted
    without it. APGR is the share of the cloud model's gain that is kept when only the requests with the
    highest scores go to it: 1 is perfect, 0.5 is chance. If the new weights are worse, the old ones stay and
    only the score is calibrated to a probability. A tenant has the weight of the square root of its number
    of outcomes. Nothing is written, and the exit status is 1, if the scorer is no better than chance, or
    worse for a tenant with 50 outcomes or more; --accept writes it anyway.

    To use the file, set complexity: {scorer: FILE} in the policy; to try it: gateway score --scorer FILE.

    Example: gateway learn --outcomes outcomes.jsonl --output scorer.json

    Example: gateway learn --decisions decisions.jsonl --output scorer.json
    """
    outcomes, decisions = flags.outcomes, flags.decisions
    if outcomes is None and decisions is None:
        raise CommandFailed("no outcomes: give --decisions FILE, --outcomes FILE or both", status=MISUSED)
    scorer = shipped_scorer() if flags.base == "shipped" else opened_scorer(Path(flags.base))
    found = None if decisions is None else _recorded(decisions)
    rows = [] if outcomes is None else _read(outcomes)
    rows += () if found is None else (*found.joined, *found.mirrored)
    where = ", ".join(str(path) for path in (outcomes, decisions) if path is not None)
    learned = _learned(rows, scorer, where=f"{where}: ", records=_record_counts(found))
    head = _head(rows, learned)
    objections = objections_to(learned)
    is_written = flags.accept or not objections
    if is_written:
        _write(output, learned, scorer, head)
    _show(learned, head, found, objections, is_written=is_written, as_json=as_json)
    if not is_written:
        raise CommandFailed(
            f"{output}: nothing was written: {'; '.join(objections)}; collect more outcomes, leave out those"
            " that you do not trust, or give --accept"
        )
    if not as_json:
        print(f"{'written':20}{output}")


def _learned(rows: list[QualityOutcome], base: Scorer, *, where: str, records: str) -> Learned:
    try:
        return learned_from(
            np.array([row.features for row in rows]),
            gains_of(rows),
            base,
            tenants=[row.tenant for row in rows],
        )
    except TooFewOutcomes as error:
        raise CommandFailed(f"{where}{error}{records}", status=MISUSED) from None


def _head(rows: list[QualityOutcome], learned: Learned) -> LearnedHead | str:
    """Return the second head, or why there is none."""
    first = FirstHead(weights=learned.fold_weights, which=learned.fold_of_row.tolist())
    try:
        return learn_head(rows, gains_of(rows), first)
    except TooFewOutcomes as error:
        return f"of conversations that go on: {error}"


def _show(
    learned: Learned,
    head: LearnedHead | str,
    found: RecordedOutcomes | None,
    objections: list[str],
    *,
    is_written: bool,
    as_json: bool,
) -> None:
    if as_json:
        tenants = {"tenants": [_tenant_fields(each) for each in learned.tenants]}
        records = {} if found is None else {"records": _counts(found)}
        second = {"reasons": [head]} if isinstance(head, str) else head.fields()
        fields = {
            **measured(learned), "conversation": second, **records, **tenants, "objections": objections,
            "written": is_written,
        }  # fmt: skip
        print(json.dumps(fields, indent=2))
    else:
        print("\n".join([*_rows(learned, found), *_head_rows(head), *_tenant_rows(learned.tenants)]))


def _read(path: Path) -> list[QualityOutcome]:
    try:
        if path == Path("-"):
            return [row for _, row in read_outcomes(sys.stdin.buffer)]
        with reading(path), path.open("rb") as lines:
            return [row for _, row in read_outcomes(lines)]
    except BadOutcome as error:
        raise CommandFailed(f"{path}:{error}", status=MISUSED) from None


def _recorded(path: Path) -> RecordedOutcomes:
    with reading(path):
        return recorded_outcomes(lambda: read_lines(path))


def _record_counts(found: RecordedOutcomes | None) -> str:
    """Return the counts of the records as text, for an error about too few outcomes."""
    if found is None:
        return ""
    return (
        f" (in the records: {counted(found.requests, 'request')}; feedback on {found.feedback}, "
        f"{len(found.joined)} of them with features; {len(found.mirrored)} answered by both sides)"
    )


def _write(path: Path, learned: Learned, base: Scorer, head: LearnedHead | str) -> None:
    if isinstance(head, str) or head.objections:
        text = scorer_text(learned, base)
    else:
        text = scorer_text(learned, base, head.head, {"conversation": head.fields()})
    try:
        with replacing(path) as file:
            file.write(text.encode("utf-8"))
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}") from None


def _counts(found: RecordedOutcomes) -> dict[str, int]:
    return {
        "requests": found.requests,
        "feedback": found.feedback,
        "joined": len(found.joined),
        "mirrored": len(found.mirrored),
    }


def _tenant_fields(share: TenantShare) -> dict[str, object]:
    """Return the JSON fields of a tenant; NaN becomes null."""
    numbers = {
        "weight": share.weight,
        "move": share.move,
        "apgr_before": share.before,
        "apgr_after": share.after,
        "difference_low": share.difference[0],
        "difference_high": share.difference[1],
    }
    rounded = {
        key: None if value is None or math.isnan(value) else round(value, 4) for key, value in numbers.items()
    }
    return {"tenant": share.tenant, "outcomes": share.outcomes, **rounded, "is_worse": share.is_worse}


def _rows(learned: Learned, found: RecordedOutcomes | None) -> list[str]:
    kept = "moved" if learned.is_moved else "kept: new ones are no better"
    rows = [] if found is None else [(f"records: {name}", str(n)) for name, n in _counts(found).items()]
    rows += [("outcomes", str(learned.rows)), ("weights", kept)]
    rows.append(("APGR before", f"{interval_text(learned.before)}; 0.5 is chance"))
    rows.append(("APGR after", interval_text(learned.after)))
    rows.append(("calibration error", f"{learned.calibration_error:.3f}"))
    return [f"{name:20}{value}" for name, value in rows]


def _head_rows(head: LearnedHead | str) -> list[str]:
    """Return what became of the second head."""
    if isinstance(head, str):
        return [f"{'second head':20}none; {head}"]
    learned = head.learned
    kept = f"left out: {'; '.join(head.objections)}" if head.objections else "kept"
    rows = [
        ("second head", kept),
        ("conversations", f"{learned.rows}, of {head.turns} turns"),
        ("APGR, first head", interval_text(learned.before)),
        ("APGR, second head", interval_text(learned.after)),
    ]
    return [f"{name:20}{value}" for name, value in rows]


def _tenant_rows(tenants: tuple[TenantShare, ...]) -> list[str]:
    """Return a table of each tenant's influence and result."""
    if len(tenants) < 2:
        return []
    rows = [f"{'tenant':20}{'outcomes':>9}{'weight':>8}{'move':>7}{'before':>8}{'after':>8}"]
    for each in tenants:
        move = "-" if each.move is None else f"{each.move:.0%}"
        rows.append(
            f"{each.tenant or '-':20}{each.outcomes:>9}{each.weight:>8.0%}{move:>7}{each.before:>8.3f}"
            f"{each.after:>8.3f}{'  worse' * each.is_worse}"
        )
    return rows
