"""`gateway learn`: a scorer of complexity from outcomes of one's own traffic."""

import json
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gateway.cli.exits import MISUSED, CommandFailed
from gateway.cli.options import Json
from gateway.cli.outcomes import BadOutcome, Outcome, gains_of, read_outcomes
from gateway.cli.recorded_outcomes import Harvest, harvest
from gateway.cli.scorers import opened_scorer
from gateway.records.line import NotARecord
from gateway.records.reading import read_lines
from gateway.scoring.complexity import shipped_scorer
from gateway.scoring.learning import Learned, TooFewOutcomes
from gateway.scoring.learning import learn as learned_from
from gateway.scoring.scorer_file import Scorer, write_scorer


def learn(
    *,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The scorer to write.")],
    outcomes: Annotated[
        Path | None, typer.Option("--outcomes", metavar="FILE", help="JSON lines; `-` is standard input.")
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", metavar="FILE", help="What --decisions of gateway serve named."),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            "--base", metavar="FILE", help="The scorer to begin from; `shipped` is the one that ships."
        ),
    ] = "shipped",
    as_json: Json = False,
) -> None:
    """Learn a complexity scorer from outcomes of your own traffic.

    A line of --outcomes is {"id", "text", "weak", "strong"}: how good the answers of the edge model and of
    the cloud model were, 0 to 1; one of the two is enough. In place of "text" there may be the "features" of
    a record.

    In the records of --decisions each request whose features are kept is an outcome if it has feedback, or
    if the policy's `sample` had it answered by both sides.

    What is printed was measured on held folds: each outcome by weights that never saw it. Where the outcomes
    speak against new weights the old ones stay, and only the score becomes a probability.

    Name the file in the policy, as complexity: {scorer: FILE}, or try it: gateway score --scorer FILE.

    Example: gateway learn --outcomes outcomes.jsonl --output scorer.json

    Example: gateway learn --decisions decisions.jsonl --output scorer.json
    """
    if outcomes is None and decisions is None:
        raise CommandFailed(
            "say where outcomes are: --decisions FILE, --outcomes FILE or both", status=MISUSED
        )
    scorer = shipped_scorer() if base == "shipped" else opened_scorer(Path(base))
    rows = [] if outcomes is None else _read(outcomes)
    found = None if decisions is None else _harvest(decisions)
    rows += () if found is None else (*found.joined, *found.sampled)
    try:
        learned = learned_from(np.array([row.features for row in rows]), gains_of(rows), scorer)
    except TooFewOutcomes as error:
        where = ", ".join(str(path) for path in (outcomes, decisions) if path is not None)
        raise CommandFailed(f"{where}: {error}{_said_of(found)}", status=MISUSED) from None
    _write(output, learned, scorer)
    print(json.dumps(_fields(learned, found), indent=2) if as_json else _table(learned, found, output))


def _read(path: Path) -> list[Outcome]:
    try:
        if path == Path("-"):
            return [row for _, row in read_outcomes(sys.stdin.buffer)]
        with path.open("rb") as lines:
            return [row for _, row in read_outcomes(lines)]
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be read: {error.strerror}", status=MISUSED) from None
    except BadOutcome as error:
        raise CommandFailed(f"{path}:{error}", status=MISUSED) from None


def _harvest(path: Path) -> Harvest:
    try:
        return harvest(lambda: read_lines(path))
    except NotARecord as error:
        raise CommandFailed(str(error), status=MISUSED) from None
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be read: {error.strerror}", status=MISUSED) from None


def _said_of(found: Harvest | None) -> str:
    """Return what records held, for a person to whom it is too little."""
    if found is None:
        return ""
    counts = ", ".join(f"{count} {name}" for name, count in _counts(found).items())
    return f" (records: {counts})"


def _write(path: Path, learned: Learned, base: Scorer) -> None:
    text = write_scorer(
        weights=tuple(learned.weights.tolist()), intercept=learned.intercept, slope=learned.slope,
        is_calibrated=True,
        notes={"made_by": "gateway learn", "base_sha256": base.sha256, **_fields(learned, None)},
    )  # fmt: skip
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}") from None


def _fields(learned: Learned, found: Harvest | None) -> dict[str, object]:
    records = {} if found is None else {"records": _counts(found)}
    return {
        "outcomes": learned.rows,
        "weights": "moved" if learned.is_moved else "kept",
        "apgr_before": [round(value, 4) for value in learned.before],
        "apgr_after": [round(value, 4) for value in learned.after],
        "calibration_error": round(learned.calibration_error, 4),
        **records,
    }


def _counts(found: Harvest) -> dict[str, int]:
    return {
        "requests": found.requests,
        "feedback": found.feedback,
        "joined": len(found.joined),
        "sampled": len(found.sampled),
    }


def _table(learned: Learned, found: Harvest | None, output: Path) -> str:
    kept = "moved" if learned.is_moved else "kept: the outcomes do not speak for others"
    rows = [] if found is None else [(f"records: {name}", str(n)) for name, n in _counts(found).items()]
    rows += [("outcomes", str(learned.rows)), ("weights", kept)]
    for name, (value, low, high) in (("APGR before", learned.before), ("APGR after", learned.after)):
        rows.append((name, f"{value:.3f}  (95 %: {low:.3f} to {high:.3f}; 0.5 is chance)"))
    rows += [("calibration error", f"{learned.calibration_error:.3f}"), ("written", str(output))]
    return "\n".join(f"{name:20}{value}" for name, value in rows)
