"""`gateway learn`: a scorer of complexity from outcomes of one's own traffic."""

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.options import Json
from gateway.cli.scorers import opened_scorer
from gateway.complexity.complexity import shipped_scorer
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
from gateway.offline.recorded_outcomes import RecordedOutcomes, harvest
from gateway.offline.tenant_shares import TenantShare
from gateway.policy.complexity import Scorer
from gateway.policy.loading.messages import counted
from gateway.records.codec import BadRecord
from gateway.records.reading import read_lines

Output = Annotated[Path, typer.Option("--output", metavar="FILE", help="The scorer to write.")]
Outcomes = Annotated[
    Path | None, typer.Option("--outcomes", metavar="FILE", help="JSON lines; `-` is standard input.")
]
Decisions = Annotated[
    Path | None, typer.Option("--decisions", metavar="FILE", help="What --decisions of gateway serve named.")
]
Base = Annotated[
    str,
    typer.Option("--base", metavar="FILE", help="The scorer to begin from; `shipped` is the one that ships."),
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept", help="Write a scorer that is no better than chance, or that serves a tenant worse."
    ),
]


def learn(
    *,
    output: Output,
    outcomes: Outcomes = None,
    decisions: Decisions = None,
    base: Base = "shipped",
    accept: Accept = False,
    as_json: Json = False,
) -> None:
    """Learn a complexity scorer from outcomes of your own traffic.

    A line of --outcomes is {"id", "text", "weak", "strong", "tenant"}: how good the answers of the edge
    model and of the cloud model were, 0 to 1; one of the two is enough, and "tenant" may be left out. In
    place of "text" there may be the "features" of a record.

    In the records of --decisions each request whose features are kept is an outcome if it has feedback, or
    if the policy's `mirror` had it answered by both sides.

    What is printed was measured by cross-validation: each outcome by weights that never saw it. APGR says how
    much of what the cloud model gains is kept when only the requests with the highest scores go to it: 1 is
    perfect, 0.5 is chance. Where the outcomes speak against new weights the old ones stay, and only the score
    becomes a probability. A tenant weighs as the square root of the number of its outcomes. Nothing is
    written, and the exit status is 1, if the scorer is no better than chance, or worse for a tenant with 50
    outcomes or more; --accept writes it all the same.

    Name the file in the policy, as complexity: {scorer: FILE}, or try it: gateway score --scorer FILE.

    Example: gateway learn --outcomes outcomes.jsonl --output scorer.json

    Example: gateway learn --decisions decisions.jsonl --output scorer.json
    """
    if outcomes is None and decisions is None:
        raise CommandFailed(
            "say where outcomes are: --decisions FILE, --outcomes FILE or both", status=MISUSED
        )
    scorer = shipped_scorer() if base == "shipped" else opened_scorer(Path(base))
    found = None if decisions is None else _harvest(decisions)
    rows = [] if outcomes is None else _read(outcomes)
    rows += () if found is None else (*found.joined, *found.mirrored)
    where = ", ".join(str(path) for path in (outcomes, decisions) if path is not None)
    learned = _learned(rows, scorer, where=f"{where}: ", records=_said_of(found))
    objections = objections_to(learned)
    is_written = accept or not objections
    if is_written:
        _write(output, learned, scorer)
    _show(learned, found, objections, is_written=is_written, as_json=as_json)
    if not is_written:
        raise CommandFailed(
            f"{output}: nothing was written: {'; '.join(objections)}; gather more outcomes, leave out those"
            " that you do not trust, or say --accept"
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


def _show(
    learned: Learned,
    found: RecordedOutcomes | None,
    objections: list[str],
    *,
    is_written: bool,
    as_json: bool,
) -> None:
    if as_json:
        tenants = {"tenants": [_tenant_fields(each) for each in learned.tenants]}
        records = {} if found is None else {"records": _counts(found)}
        fields = {**measured(learned), **records, **tenants, "objections": objections, "written": is_written}
        print(json.dumps(fields, indent=2))
    else:
        print("\n".join([*_rows(learned, found), *_tenant_rows(learned.tenants)]))


def _read(path: Path) -> list[QualityOutcome]:
    try:
        if path == Path("-"):
            return [row for _, row in read_outcomes(sys.stdin.buffer)]
        with path.open("rb") as lines:
            return [row for _, row in read_outcomes(lines)]
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be read: {error.strerror}", status=MISUSED) from None
    except BadOutcome as error:
        raise CommandFailed(f"{path}:{error}", status=MISUSED) from None


def _harvest(path: Path) -> RecordedOutcomes:
    try:
        return harvest(lambda: read_lines(path))
    except BadRecord as error:
        raise CommandFailed(str(error), status=MISUSED) from None
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be read: {error.strerror}", status=MISUSED) from None


def _said_of(found: RecordedOutcomes | None) -> str:
    """Return what records held, for a person to whom it is too little."""
    if found is None:
        return ""
    return (
        f" (in the records: {counted(found.requests, 'request')}; feedback on {found.feedback}, "
        f"{len(found.joined)} of them with features; {len(found.mirrored)} answered by both sides)"
    )


def _write(path: Path, learned: Learned, base: Scorer) -> None:
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(scorer_text(learned, base), encoding="utf-8")
        draft.replace(path)
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
    """Return what JSON says of a tenant; it has no word for what is no number."""
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
    kept = "moved" if learned.is_moved else "kept: the outcomes do not speak for others"
    rows = [] if found is None else [(f"records: {name}", str(n)) for name, n in _counts(found).items()]
    rows += [("outcomes", str(learned.rows)), ("weights", kept)]
    rows.append(("APGR before", f"{interval_text(learned.before)}; 0.5 is chance"))
    rows.append(("APGR after", interval_text(learned.after)))
    rows.append(("calibration error", f"{learned.calibration_error:.3f}"))
    return [f"{name:20}{value}" for name, value in rows]


def _tenant_rows(tenants: tuple[TenantShare, ...]) -> list[str]:
    """Return who moved the scorer, and what became of each one's own outcomes."""
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
