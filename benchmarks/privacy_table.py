"""The table by which the detectors are judged: each row a question, and the answer of everybody measured."""

from collections.abc import Callable, Mapping

from benchmarks.privacy_measures import Figure

Figures = Mapping[str, Figure]
Numbers = Mapping[str, Mapping[str, float]]

LARGE_TITLE = "100 kB of each kind, ms"
ON_LOOP_TITLE = "as much of each kind as is scored on the event loop, ms"

_QUALITY: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("core6: e-mail, phone, card, IBAN, SSN, IP: F1", lambda f: _f1(f, "core6")),
    ("phone F1 / card F1", lambda f: f"{_f1(f, 'PHONE')} / {_f1(f, 'CREDIT_CARD')}"),
    ("national id F1", lambda f: _f1(f, "NATIONAL_ID")),
    ("text has structured data: recall at precision", lambda f: _text(f, "structured")),
    ("text has anything: recall at precision", lambda f: _text(f, "any")),
    ("gitleaks: recall at false alarms", lambda f: _secrets(f, "secrets gitleaks")),
    ("leaky-repo: recall", lambda f: _recall(f, "secrets leaky-repo")),
)
_TARGETS = (">= .97", ">= .90 / >= .98", ">= .80", ">= .98 at >= .98", ">= .80 at >= .95",
            ">= .92 at <= .08", ">= .90")  # fmt: skip


def _f1(figures: Figures, name: str) -> str:
    return f"{figures[name].f1:.3f}" if name in figures else "-"


def _recall(figures: Figures, name: str) -> str:
    return f"{figures[name].recall:.3f}" if name in figures else "-"


def _text(figures: Figures, name: str) -> str:
    return f"{figures[name].recall:.3f} at {figures[name].precision:.3f}" if name in figures else "-"


def _secrets(figures: Figures, name: str) -> str:
    return f"{figures[name].recall:.3f} at {figures[name].false_alarms:.3f}" if name in figures else "-"


def table(quality: Mapping[str, Figures], numbers: Mapping[str, Numbers]) -> list[tuple[str, ...]]:
    """Return the rows: question, target, and one answer for each name, in the order of `quality`."""
    names = list(quality)
    rows = [("", "target", *names)]
    for (question, answer), target in zip(_QUALITY, _TARGETS, strict=True):
        rows.append((question, target, *(answer(quality[name]) for name in names)))

    def row(question: str, target: str, answer: Callable[[Numbers], str]) -> None:
        rows.append(
            (question, target, *(answer(numbers[name]) if name in numbers else "-" for name in names))
        )

    row("benign texts flagged", "<= .004", lambda n: _number(n, "benign texts", "flagged"))
    row("benign texts confidential or above", "<= .005", lambda n: _number(n, "benign texts", "kept"))
    row("60 characters, median / p99, us", "<= 80 / <= 400", _short)
    row("100 kB of prose, ms", "<= 25", lambda n: _number(n, LARGE_TITLE, "prose", digits=1))
    row("100 kB of the slowest kind, ms", "<= 75", lambda n: _slowest(n, LARGE_TITLE))
    row("the slowest kind on the event loop, ms", "<= 10", lambda n: _slowest(n, ON_LOOP_TITLE))
    return rows


def _number(numbers: Numbers, title: str, name: str, *, digits: int = 4) -> str:
    value = numbers.get(title, {}).get(name)
    return "-" if value is None else f"{value:.{digits}f}"


def _short(numbers: Numbers) -> str:
    times = numbers.get("texts of 60 characters", {})
    return f"{times['median_us']:.0f} / {times['p99_us']:.0f}" if times else "-"


def _slowest(numbers: Numbers, title: str) -> str:
    times = numbers.get(title, {})
    if not times:
        return "-"
    name = max(times, key=lambda each: times[each])
    return f"{times[name]:.1f} ({name})"
