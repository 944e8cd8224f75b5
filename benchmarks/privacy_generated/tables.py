"""The table by which strangers' data is judged: both halves of the generated texts, visible data, targets."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.privacy_generated.measuring import (
    Measured,
    figures,
    firms_found,
    recall_by_family,
    texts_found,
)
from benchmarks.privacy_generated.special import NOBODYS, SPECIAL
from benchmarks.privacy_measures import STRUCTURED, Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What was measured on one half, or on labelled texts."""

    title: str
    figures: Mapping[str, Figure]
    flagged: float | None = None
    """The share of texts with nothing private in which a number, link or secret is found."""
    kept: float | None = None
    """The share of them that is confidential or above."""
    secrets: tuple[float, float] | None = None
    """The share of texts with a secret in which one is found, and of those with nothing private."""
    firms: tuple[int, int] | None = None
    disguises: Mapping[str, float] = field(default_factory=dict)
    special: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By special category the share of texts that are found, and of texts about nobody that are."""


Answer = Callable[[Column], str]


def _f1(name: str) -> Answer:
    return lambda column: f"{column.figures[name].f1:.3f}" if name in column.figures else "-"


def _both(name: str) -> Answer:
    def answer(column: Column) -> str:
        figure = column.figures.get(name)
        return f"{figure.recall:.3f} / {figure.precision:.3f}" if figure else "-"

    return answer


def _share(name: str) -> Answer:
    def answer(column: Column) -> str:
        value = getattr(column, name)
        return "-" if value is None else f"{value:.4f}"

    return answer


def _secrets(column: Column) -> str:
    if column.secrets:
        return f"{column.secrets[0]:.3f} / {column.secrets[1]:.3f}"
    figure = column.figures.get("secrets gitleaks")
    return f"{figure.recall:.3f} / {figure.false_alarms:.3f}" if figure else "-"


def _leaky(column: Column) -> str:
    figure = column.figures.get("secrets leaky-repo")
    return f"{figure.recall:.3f}" if figure else "-"


QUESTIONS: tuple[tuple[str, str, Answer], ...] = (
    # question, target, answer
    ("core6: e-mail, phone, card, IBAN, SSN, IP: F1", ">= .98", _f1("core6")),
    ("PHONE F1", ">= .94", _f1("PHONE")),
    ("CREDIT_CARD F1", "", _f1("CREDIT_CARD")),
    ("IBAN F1", "", _f1("IBAN")),
    ("US_SSN F1", "", _f1("US_SSN")),
    ("NATIONAL_ID F1", ">= .85", _f1("NATIONAL_ID")),
    ("text has structured data: recall / precision", ">= .985 / >= .98", _both("structured")),
    ("text has anything: recall / precision", ">= .95 / >= .97", _both("any")),
    ("PERSON recall / precision", ">= .85 / >= .88", _both("PERSON")),
    ("ADDRESS recall / precision", ">= .75 / >= .92", _both("ADDRESS")),
    ("DOB recall / precision", "", _both("DOB")),
    ("LOCATION F1", ">= .5", _f1("LOCATION")),
    ("ORG F1", ">= .5", _f1("ORG")),
    ("secrets: texts found / false alarms", ">= .95 / <= .08", _secrets),
    ("SECRET recall / precision", "", _both("SECRET")),
    ("leaky-repo recall", ">= .92", _leaky),
    ("VEHICLE F1", ">= .7", _f1("VEHICLE")),
    ("BANK_ACCOUNT F1", ">= .7", _f1("BANK_ACCOUNT")),
    ("CRYPTO F1", ">= .95", _f1("CRYPTO")),
    ("benign texts flagged", "<= .004", _share("flagged")),
    ("benign texts confidential or above", "<= .005", _share("kept")),
)


def column(
    title: str,
    listed: Sequence[Measured],
    kept: float,
    disguised: Sequence[Measured],
    special: Sequence[Measured],
) -> Column:
    """Return what was measured on the rows of one half."""
    nobodys = [each for each in listed if not each.row.spans and not each.row.source.also]
    secrets = [each for each in listed if each.row.source.type == "SECRET"]
    wanted = {*STRUCTURED, "SECRET"}
    flagged = [each for each in nobodys if not wanted.isdisjoint(kind for *_, kind in each.judgement.wrong)]
    about_nobody = [each for each in special if each.row.source.kind == NOBODYS]
    return Column(
        title=title,
        figures=figures(listed),
        flagged=len(flagged) / max(1, len(nobodys)),
        kept=kept,
        secrets=(texts_found(secrets, "SECRET"), texts_found(nobodys, "SECRET")),
        firms=firms_found(listed),
        disguises=recall_by_family(disguised),
        special={
            kind: (
                texts_found([each for each in special if each.row.source.type == kind], kind),
                texts_found(about_nobody, kind),
            )
            for kind in SPECIAL
        },
    )


def table(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    """Return the rows: a question, the answer of each column, the target."""
    rows = [("", *(each.title for each in columns), "target")]
    rows += [
        (question, *(answer(each) for each in columns), target) for question, target, answer in QUESTIONS
    ]
    halves = [each for each in columns if each.firms]
    for kind in SPECIAL if halves else ():
        rows.append((f"{kind}, where asked for: texts / false alarms",
                     *(_special(each, kind) for each in columns), ""))  # fmt: skip
    rows.append(("numbers of firms that are found", *(_firms(each) for each in columns), "either"))
    names = Counter(name for each in halves for name in each.disguises)
    for name in sorted(names):
        rows.append((f"disguised, {name}", *(_disguise(each, name) for each in columns), ""))
    return rows


def _special(each: Column, kind: str) -> str:
    return "{:.3f} / {:.3f}".format(*each.special[kind]) if kind in each.special else "-"


def _disguise(each: Column, name: str) -> str:
    return f"{each.disguises[name]:.3f}" if name in each.disguises else "-"


def _firms(each: Column) -> str:
    return "-" if each.firms is None else f"{each.firms[0]} of {each.firms[1]}"


def printed(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as a table of Markdown, which a terminal shows as well."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
