"""Outcomes from the records of a gateway: features of requests, joined with feedback on the answers.

Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.offline.outcomes import BadOutcome, QualityOutcome, outcome_of
from gateway.records.decoding import BadRecord
from gateway.records.encoding import VERSION

T = TypeVar("T")
Fields = Mapping[str, Any]
Lines = Iterable[tuple[str, Fields]]
"""Location and fields of each line."""

_SIDES: Mapping[str, str] = {"LOCAL": "weak", "CLOUD": "strong"}
"""Which model a score is about, by the route; a canned reply is about none."""
_Key = tuple[str, str]
"""Tenant and request id: a tenant rates its own requests only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOutcomes:
    """Outcomes found in records, and how many records were searched."""

    requests: int
    """Requests that a model answered and whose features are kept."""
    feedback: int
    """Number of feedback records."""
    joined: tuple[QualityOutcome, ...]
    """One for each of these requests that has feedback."""
    mirrored: tuple[QualityOutcome, ...]
    """One for each mirrored request whose answers were compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated(Generic[T]):
    """What was made of the requests that have feedback."""

    requests: int
    """Requests that a model answered, with feedback or without."""
    feedback: int
    joined: tuple[T, ...]


def recorded_outcomes(read: Callable[[], Lines]) -> RecordedOutcomes:
    """Return the outcomes in records; reads them three times. Raises BadRecord with the location."""

    def outcome(fields: Fields, location: str, score: float) -> QualityOutcome:
        return _outcome(fields, location, **{_SIDES[fields["route"]]: score})

    rated = rated_requests(read, lambda fields: "features" in fields, outcome)
    mirrored = []
    for location, fields in read():
        if fields.get("kind") == "outcome" and "features" in fields and fields.get("weak") is not None:
            _key(fields, location)
            mirrored.append(_outcome(fields, location, weak=fields["weak"], strong=fields.get("strong")))
    return RecordedOutcomes(
        requests=rated.requests, feedback=rated.feedback, joined=rated.joined, mirrored=tuple(mirrored)
    )


def rated_requests(
    read: Callable[[], Lines], is_usable: Callable[[Fields], bool], make: Callable[[Fields, str, float], T]
) -> Rated[T]:
    """Return what `make` makes of each usable request with feedback; reads the records twice.

    It gets fields, location and score. Raises BadRecord with the location. The last feedback of a request
    counts, for the last request with its id that had ended by then.
    """
    feedback, scores = _feedback(read())
    requests = 0
    rated: dict[_Key, tuple[tuple[bool, float], T]] = {}
    for location, fields in read():
        if fields.get("kind") != "request" or fields.get("route") not in _SIDES or not is_usable(fields):
            continue
        if fields.get("facts", {}).get("signals", {}).get("is_embedding"):
            continue  # Vectors, of which no score says which model is better.
        if fields.get("cached_age_s") is not None:
            continue  # The request that it was made for counts.
        requests += 1
        key, at_unix_s = _key(fields, location)
        if key not in scores:
            continue
        given_unix_s, score = scores[key]
        # A request that ended after the feedback counts only if there is no other: clocks of hosts differ.
        rank = at_unix_s <= given_unix_s, at_unix_s
        if key not in rated or rated[key][0] <= rank:
            rated[key] = rank, make(fields, location, score)
    joined = tuple(each for _, each in rated.values())
    return Rated(requests=requests, feedback=feedback, joined=joined)


def _feedback(lines: Lines) -> tuple[int, Mapping[_Key, tuple[float, float]]]:
    """Return the number of feedback records, and time and score of the last one of each request."""
    count = 0
    last: dict[_Key, tuple[float, float]] = {}
    for location, fields in lines:
        if fields.get("kind") == "feedback":
            count += 1
            key, at_unix_s = _key(fields, location)
            score = fields.get("score")
            if isinstance(score, bool) or not isinstance(score, int | float) or not 0.0 <= score <= 1.0:
                raise BadRecord(f'{location}: "score" must be a number from 0 to 1')
            if key not in last or last[key][0] <= at_unix_s:
                last[key] = at_unix_s, score
    return count, last


def _key(fields: Mapping[str, Any], location: str) -> tuple[_Key, float]:
    """Return tenant and request id of a line, and its time."""
    tenant, request_id, at_unix_s = (fields.get(name) for name in ("tenant", "request_id", "at_unix_s"))
    if fields.get("v") != VERSION:
        raise BadRecord(f"{location}: is not a record of version {VERSION}")
    if not (isinstance(tenant, str) and isinstance(request_id, str) and isinstance(at_unix_s, int | float)):
        raise BadRecord(f"{location}: is not a whole record")
    return (tenant, request_id), at_unix_s


def _outcome(fields: Mapping[str, Any], location: str, **scores: object) -> QualityOutcome:
    try:
        kept = {name: fields[name] for name in ("features", "tenant", "facts") if name in fields}
        return outcome_of({**kept, **scores})
    except BadOutcome as error:
        raise BadRecord(f"{location}: {error}") from None
