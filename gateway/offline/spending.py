"""Sums what calls of models cost, from the records of one or many gateways, for accounting."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.domain.answer import Outcome
from gateway.errors import InputRefused
from gateway.records.decoding import BadRecord
from gateway.records.encoding import VERSION
from gateway.records.reading import read_lines

LABEL: Final = "label:"
"""Before the name of a label, in the name of a dimension."""

_Fields = Mapping[str, Any]
DIMENSIONS: Final[Mapping[str, Callable[[_Fields, _Fields], str]]] = {
    "tenant": lambda record, _: record["tenant"],
    "key": lambda record, _: record.get("key_name", ""),
    "model": lambda _, attempt: attempt["model"],
    "day": lambda record, _: f"{datetime.fromtimestamp(record['at_unix_s'], UTC):%Y-%m-%d}",
    "month": lambda record, _: f"{datetime.fromtimestamp(record['at_unix_s'], UTC):%Y-%m}",
    "kind": lambda record, _: "mirror" if record["kind"] == "outcome" else "request",
}
"""Name -> value of a dimension, of a record and one of its attempts. Days and months are those of UTC."""


@dataclass(slots=True)
class Spend:
    """Sums of calls of models."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd_nanos: int = 0
    unknown_usd_nanos: int = 0
    """The part of `cost_usd_nanos` for which the provider told no usage: the worst case was charged."""

    def add(self, attempt: _Fields) -> None:
        """Count one call; raises KeyError, TypeError or ValueError for what is no attempt."""
        usage, cost = attempt["usage"], _whole(attempt["cost_usd_nanos"])
        self.calls += 1
        self.cost_usd_nanos += cost
        if usage is None:
            self.unknown_usd_nanos += cost
        else:
            self.prompt_tokens += _whole(usage["prompt_tokens"])
            self.completion_tokens += _whole(usage["completion_tokens"])


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """A span of time, in seconds since 1970: from `since_s` on, before `until_s`."""

    since_s: float = float("-inf")
    until_s: float = float("inf")

    def holds(self, unix_s: float) -> bool:
        """Tell whether a moment is in it."""
        return self.since_s <= unix_s < self.until_s


def dimension(name: str) -> Callable[[_Fields, _Fields], str]:
    """Return what reads a dimension from a record and one of its attempts; raises ValueError for its name."""
    if label := name.removeprefix(LABEL) if name.startswith(LABEL) else "":
        return lambda record, _: str(_labels(record).get(label, ""))
    if name not in DIMENSIONS:
        raise ValueError(f"is none of {', '.join(DIMENSIONS)}, {LABEL}NAME")
    return DIMENSIONS[name]


def spend_by(
    names: tuple[str, ...], records: Iterable[tuple[str, _Fields]], span: TimeSpan
) -> dict[tuple[str, ...], Spend]:
    """Return the sums of calls that ended in `span`, by the values of the dimensions, in their order.

    `records` are pairs of place and fields. Raises BadRecord with the place, ValueError for a dimension.
    """
    readers = [dimension(name) for name in names]
    found: dict[tuple[str, ...], Spend] = {}
    for place, record in records:
        try:
            if not span.holds(record["at_unix_s"]):
                continue
            for attempt in record["attempts"]:
                if attempt["outcome"] == Outcome.REFUSED:
                    continue  # By us: no call was made.
                values = tuple(read(record, attempt) for read in readers)
                found.setdefault(values, Spend()).add(attempt)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadRecord(f"{place}: is not a whole record: {type(error).__name__}") from None
    return dict(sorted(found.items()))


def paid_records(paths: Iterable[Path]) -> Iterator[tuple[str, _Fields]]:
    """Yield place and fields of each record that lists calls of models, from all files.

    Raises BadRecord for a line that is no record of this version and for files that hold the same records,
    whose spend would count twice, and OSError.
    """
    begun: dict[tuple[object, ...], str] = {}
    for path in paths:
        for place, fields in read_lines(path):
            if fields.get("v") != VERSION:
                raise BadRecord(f"{place}: is not a record of version {VERSION}")
            if fields.get("kind") == "file":
                first = tuple(fields.get(key) for key in ("seq", "prev", "at_unix_s"))
                if (other := begun.get(first)) is not None:
                    raise BadRecord(f"{place}: holds the same records as {other}; name one of the two files")
                begun[first] = place
            elif fields.get("kind") in ("request", "outcome"):
                yield place, fields


def moment(text: str, *, now_s: float) -> float:
    """Return the moment that a text names, in seconds since 1970; raises InputRefused.

    A date (2026-11-01), a time (2026-11-01T08:00, in UTC unless it names another zone), or how long ago
    (36h, 7d).
    """
    with suppress(ValueError, OverflowError):
        if text[-1:] in _UNITS_S and text[:-1].isdecimal():
            return now_s - int(text[:-1]) * _UNITS_S[text[-1]]
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    raise InputRefused(f"{text[:40]!r} is no date (2026-11-01), time (2026-11-01T08:00) or span (36h, 7d)")


_UNITS_S: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def _labels(record: _Fields) -> Mapping[str, object]:
    labels: Mapping[str, object] = record.get("facts", {}).get("labels", {})
    return labels


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("a whole number")
    return value
