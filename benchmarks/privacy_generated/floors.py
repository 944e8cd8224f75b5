"""Figures that are held: `make test-privacy` fails where one is worse."""

from collections.abc import Callable, Sequence

from benchmarks.privacy_generated.tables import Column

Read = Callable[[Column], float]


def _f1(name: str) -> Read:
    return lambda column: column.figures[name].f1


def _recall(name: str) -> Read:
    return lambda column: column.figures[name].recall


def _precision(name: str) -> Read:
    return lambda column: column.figures[name].precision


def _flagged(column: Column) -> float:
    return column.flagged or 0.0


def _kept(column: Column) -> float:
    return column.kept or 0.0


LEAST: tuple[tuple[str, Read, dict[str, float]], ...] = (
    # figure, how it is read, the least it may be in each half
    ("core6 F1", _f1("core6"), {"tune": 0.965, "held": 0.95}),
    ("PHONE F1", _f1("PHONE"), {"tune": 0.965, "held": 0.935}),
    ("NATIONAL_ID F1", _f1("NATIONAL_ID"), {"tune": 0.90, "held": 0.82}),
    ("SECRET recall", _recall("SECRET"), {"tune": 0.94, "held": 0.89}),
    ("structured precision", _precision("structured"), {"tune": 0.985, "held": 0.97}),
    ("anything recall", _recall("any"), {"tune": 0.93, "held": 0.90}),
    ("anything precision", _precision("any"), {"tune": 0.985, "held": 0.97}),
    ("PERSON recall", _recall("PERSON"), {"tune": 0.92, "held": 0.88}),
    ("PERSON precision", _precision("PERSON"), {"tune": 0.90, "held": 0.86}),
    ("ADDRESS recall", _recall("ADDRESS"), {"tune": 0.76, "held": 0.68}),
    ("ADDRESS precision", _precision("ADDRESS"), {"tune": 0.97, "held": 0.97}),
)
MOST: tuple[tuple[str, Read, dict[str, float]], ...] = (
    # figure, how it is read, the most it may be in each half
    ("benign texts flagged", _flagged, {"tune": 0.005, "held": 0.015}),
    ("benign texts confidential or above", _kept, {"tune": 0.006, "held": 0.016}),
)


def broken(columns: Sequence[Column]) -> list[str]:
    """Return a line for each figure that is worse than what is held."""
    lines = []
    for sign, word, rows in ((1, "at least", LEAST), (-1, "at most", MOST)):
        for name, read, limits in rows:
            for column in columns:
                limit, is_there = limits.get(column.title, 0.0), column.title in limits
                if is_there and sign * read(column) < sign * limit:
                    lines.append(f"{column.title}: {name} is {read(column):.4f}; held: {word} {limit}")
    return lines
