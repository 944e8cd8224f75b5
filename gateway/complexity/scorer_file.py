"""Reads and writes the file of a complexity scorer: one weight per feature, and the features' version."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.complexity.conversation import ConversationFeatures
from gateway.complexity.features import PromptFeatures
from gateway.complexity.static_words import DIMENSIONS, word_table
from gateway.policy.complexity import ConversationHead, Scorer

FORMAT = 1
_MAX_BYTES = 1 << 20
_HEAD_FEATURES = ["gain", *ConversationFeatures._fields]


class ScorerRefused(ValueError):
    """A file is no scorer for this gateway; the message reads on from the file's name."""


def features_hash() -> str:
    """Return the hash of the features' definition; a scorer for another definition is refused."""
    meaning = json.dumps([FORMAT, PromptFeatures._fields, DIMENSIONS, word_table().sha256])
    return hashlib.sha256(meaning.encode()).hexdigest()


def write_scorer(
    *,
    weights: tuple[float, ...],
    intercept: float,
    slope: float,
    is_calibrated: bool,
    notes: Mapping[str, Any],
    conversation: ConversationHead | None = None,
) -> str:
    """Return the text of a scorer's file; `notes` say how it was trained."""
    fields = {
        "format": FORMAT,
        "features": features_hash(),
        "is_calibrated": is_calibrated,
        "intercept": round(intercept, 6),
        "slope": round(slope, 6),
        "weights": [round(weight, 7) for weight in weights],
        **({} if conversation is None else {"conversation": _head_fields(conversation)}),
        "notes": notes,
    }
    return json.dumps(fields, indent=1) + "\n"


def _head_fields(head: ConversationHead) -> Mapping[str, Any]:
    return {
        "features": _HEAD_FEATURES,
        "intercept": round(head.intercept, 6),
        "slope": round(head.slope, 6),
        "weights": [round(weight, 7) for weight in head.weights],
    }


def read_scorer(path: Path) -> Scorer:
    """Read a scorer's file; raises ScorerRefused."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ScorerRefused(f"cannot be read: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise ScorerRefused(f"is longer than {_MAX_BYTES} bytes")
    try:
        return parse_scorer(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ScorerRefused("is not UTF-8") from None


def parse_scorer(text: str) -> Scorer:
    """Return the scorer in the text of a file; raises ScorerRefused."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise ScorerRefused("is not JSON") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ScorerRefused(f"is no scorer of format {FORMAT}; `gateway learn` writes one")
    if fields.get("features") != features_hash():
        raise ScorerRefused("was made for the features of another version; run `gateway learn` again")
    weights, intercept, slope = _line(fields, len(PromptFeatures._fields) + DIMENSIONS)
    return Scorer(
        weights=weights,
        intercept=intercept,
        slope=slope,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        is_calibrated=fields.get("is_calibrated") is True,
        conversation=_head(fields.get("conversation")),
        text=text,
    )


def _head(fields: object) -> ConversationHead | None:
    """Return the second head of a file's field `conversation`; raises ScorerRefused."""
    if fields is None:
        return None
    if not isinstance(fields, dict) or fields.get("features") != _HEAD_FEATURES:
        raise ScorerRefused("conversation: is for the signals of another version; run `gateway learn` again")
    weights, intercept, slope = _line(fields, len(_HEAD_FEATURES), of="conversation.")
    return ConversationHead(weights=weights, intercept=intercept, slope=slope)


def _line(fields: Mapping[str, Any], wanted: int, *, of: str = "") -> tuple[tuple[float, ...], float, float]:
    """Return weights, intercept and slope; raises ScorerRefused."""
    weights, intercept, slope = fields.get("weights"), fields.get("intercept"), fields.get("slope")
    if not (isinstance(weights, list) and len(weights) == wanted and all(map(_is_number, weights))):
        raise ScorerRefused(f"{of}weights: must be {wanted} numbers")
    if intercept is None or slope is None or not (_is_number(intercept) and _is_number(slope) and slope > 0):
        raise ScorerRefused(f"{of}intercept and slope: must be numbers, slope above 0")
    return tuple(map(float, weights)), float(intercept), float(slope)


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and abs(value) < 1e6
    )
