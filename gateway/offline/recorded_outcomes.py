"""Outcomes from the records of a gateway: features of requests, joined with what callers said of the answers.

Pure: from the lines of records to rows that a scorer learns from.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.offline.outcomes import BadOutcome, QualityOutcome, outcome_of
from gateway.records.codec import VERSION, BadRecord

Lines = Iterable[tuple[str, Mapping[str, Any]]]
"""Place and fields of each line."""

_SIDES: Mapping[str, str] = {"LOCAL": "weak", "CLOUD": "strong"}
"""Whose answer a score is about, by the route; a canned reply says nothing of any model."""
_Key = tuple[str, str]
"""Tenant and request id: nobody rates the request of another tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOutcomes:
    """What records gave to learn from, and what they were searched for."""

    requests: int
    """Requests that a model answered and whose features are kept."""
    feedback: int
    """Feedback of callers, every time that it was given."""
    joined: tuple[QualityOutcome, ...]
    """One for each of the requests that has feedback."""
    mirrored: tuple[QualityOutcome, ...]
    """One for each request that both sides answered and that was compared."""


def harvest(read: Callable[[], Lines]) -> RecordedOutcomes:
    """Return the outcomes in records, which are read twice; raises BadRecord with the place.

    The last feedback of a request counts, for the last request of its id that was over by then.
    """
    feedback, scores = _feedback(read())
    requests, mirrored = 0, []
    rated: dict[_Key, tuple[tuple[bool, float], QualityOutcome]] = {}
    for place, fields in read():
        if fields.get("kind") == "outcome" and "features" in fields and fields.get("weak") is not None:
            _key(fields, place)
            mirrored.append(_outcome(fields, place, weak=fields["weak"], strong=fields.get("strong")))
        if fields.get("kind") != "request" or "features" not in fields or fields.get("route") not in _SIDES:
            continue
        requests += 1
        key, at_unix_s = _key(fields, place)
        if key not in scores:
            continue
        given_unix_s, score = scores[key]
        # One that ended later is rated only if there is no other: clocks of two hosts may differ a little.
        rank = at_unix_s <= given_unix_s, at_unix_s
        if key not in rated or rated[key][0] <= rank:
            rated[key] = rank, _outcome(fields, place, **{_SIDES[fields["route"]]: score})
    return RecordedOutcomes(
        requests=requests,
        feedback=feedback,
        joined=tuple(outcome for _, outcome in rated.values()),
        mirrored=tuple(mirrored),
    )


def _feedback(lines: Lines) -> tuple[int, Mapping[_Key, tuple[float, float]]]:
    """Return how much feedback there is, and of each request when the last was given, and its score."""
    count = 0
    last: dict[_Key, tuple[float, float]] = {}
    for place, fields in lines:
        if fields.get("kind") == "feedback":
            count += 1
            key, at_unix_s = _key(fields, place)
            score = fields.get("score")
            if isinstance(score, bool) or not isinstance(score, int | float) or not 0.0 <= score <= 1.0:
                raise BadRecord(f'{place}: "score" must be a number from 0 to 1')
            if key not in last or last[key][0] <= at_unix_s:
                last[key] = at_unix_s, score
    return count, last


def _key(fields: Mapping[str, Any], place: str) -> tuple[_Key, float]:
    """Return whose line it is, and when it was written."""
    tenant, request_id, at_unix_s = (fields.get(name) for name in ("tenant", "request_id", "at_unix_s"))
    if fields.get("v") != VERSION:
        raise BadRecord(f"{place}: is not a record of version {VERSION}")
    if not (isinstance(tenant, str) and isinstance(request_id, str) and isinstance(at_unix_s, int | float)):
        raise BadRecord(f"{place}: is not a whole record")
    return (tenant, request_id), at_unix_s


def _outcome(fields: Mapping[str, Any], place: str, **scores: object) -> QualityOutcome:
    try:
        return outcome_of({"features": fields["features"], "tenant": fields["tenant"], **scores})
    except BadOutcome as error:
        raise BadRecord(f"{place}: {error}") from None
