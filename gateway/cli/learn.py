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
from gateway.cli.scorers import opened_scorer
from gateway.scoring.complexity import shipped_scorer
from gateway.scoring.learning import Learned, TooFewOutcomes
from gateway.scoring.learning import learn as learned_from
from gateway.scoring.scorer_file import Scorer, write_scorer


def learn(
    *,
    outcomes: Annotated[
        Path, typer.Option("--outcomes", metavar="FILE", help="JSON lines; `-` is standard input.")
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The scorer to write.")],
    base: Annotated[
        str,
        typer.Option(
            "--base", metavar="FILE", help="The scorer to begin from; `shipped` is the one that ships."
        ),
    ] = "shipped",
    as_json: Json = False,
) -> None:
    """Learn a complexity scorer from outcomes of your own traffic.

    A line is {"id", "text", "weak", "strong"}: how good the answers of the edge model and of the cloud model
    were, 0 to 1; one of the two is enough. In place of "text" there may be the "features" of a record.

    What is printed was measured on held folds: each outcome by weights that never saw it. Where the outcomes
    speak against new weights the old ones stay, and only the score becomes a probability.

    Name the file in the policy, as complexity: {scorer: FILE}, or try it: gateway score --scorer FILE.

    Example: gateway learn --outcomes outcomes.jsonl --output scorer.json
    """
    scorer = shipped_scorer() if base == "shipped" else opened_scorer(Path(base))
    rows = _read(outcomes)
    try:
        learned = learned_from(np.array([row.features for row in rows]), gains_of(rows), scorer)
    except TooFewOutcomes as error:
        raise CommandFailed(f"{outcomes}: {error}", status=MISUSED) from None
    _write(output, learned, scorer)
    print(json.dumps(_fields(learned), indent=2) if as_json else _table(learned, output))


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


def _write(path: Path, learned: Learned, base: Scorer) -> None:
    text = write_scorer(
        weights=tuple(learned.weights.tolist()), intercept=learned.intercept, slope=learned.slope,
        is_calibrated=True,
        notes={"made_by": "gateway learn", "base_sha256": base.sha256, **_fields(learned)},
    )  # fmt: skip
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}") from None


def _fields(learned: Learned) -> dict[str, object]:
    return {
        "outcomes": learned.rows,
        "weights": "moved" if learned.is_moved else "kept",
        "apgr_before": [round(value, 4) for value in learned.before],
        "apgr_after": [round(value, 4) for value in learned.after],
        "calibration_error": round(learned.calibration_error, 4),
    }


def _table(learned: Learned, output: Path) -> str:
    kept = "moved" if learned.is_moved else "kept: the outcomes do not speak for others"
    rows = [("outcomes", str(learned.rows)), ("weights", kept)]
    for name, (value, low, high) in (("APGR before", learned.before), ("APGR after", learned.after)):
        rows.append((name, f"{value:.3f}  (95 %: {low:.3f} to {high:.3f}; 0.5 is chance)"))
    rows += [("calibration error", f"{learned.calibration_error:.3f}"), ("written", str(output))]
    return "\n".join(f"{name:18}{value}" for name, value in rows)
