"""Rows of one half: its sources set into its forms, and as many rows with nothing private."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from random import Random

from benchmarks.privacy_generated import (
    benign,
    benign_texts,
    crypto_addresses,
    disguises,
    documents,
    forms_code,
    forms_data,
    forms_markup,
    forms_text,
    locales,
    numbers,
    passwords,
    phones,
    provider_keys,
    special,
)
from benchmarks.privacy_generated.value import (
    Field,
    Fields,
    Form,
    Half,
    LabelledRow,
    Source,
    half_of,
    written,
)
from benchmarks.privacy_measures import NAMED

FORMS_A_SOURCE = 8
"""Forms that each source is set into, at least."""
MOST_ROWS = 1_500
"""Rows of one type at most."""
LEAST_ROWS = {"PERSON": 1_500, "ADDRESS": 1_000, "EMAIL": 600, "LOCATION": 600, "ORG": 600}
"""Rows of one type, about: the sources of a type that has few are set into more forms."""
OTHER_ROWS = 400
"""The same for all other types."""
FAMILY_WEIGHTS = {
    "sentence, of the type": 4,
    "sentence, any type": 2,
    "e-mail": 2,
    "chat": 2,
    "form with labels": 2,
}
"""How often a family of forms is taken where others are taken once: most of what is asked is prose."""
OPERATIONS = frozenset({"kubectl", "Terraform", "Docker", ".env", "properties", "INI", "shell"})
"""Families in which nobody writes names of people and places."""
DISGUISE_ROWS = 120
"""Rows of one family of disguises."""
DISGUISED_TYPES = frozenset({"PHONE", "CREDIT_CARD", "US_SSN", "IBAN", "EMAIL", "NATIONAL_ID", "SECRET"})
"""What people disguise."""
SPECIAL_ROWS = 200
"""Rows of one special category."""
_BESIDE = (0, 0, 1, 2, 3)
_MAINS = (1, 1, 1, 2, 3, 5)


@cache
def all_sources() -> tuple[Source, ...]:
    """Return every source, those of values that are nobody's too."""
    rooms = (
        locales,
        phones,
        documents,
        provider_keys,
        passwords,
        numbers,
        crypto_addresses,
        benign,
        benign_texts,
    )
    return tuple(source for room in rooms for source in room.sources())


@cache
def all_forms() -> tuple[Form, ...]:
    """Return every form, disguises too."""
    rooms = (forms_text, forms_data, forms_markup, forms_code, disguises)
    return tuple(form for room in rooms for form in room.forms())


def fits(source: Source, form: Form) -> bool:
    """Whether a form can hold values of a source so that a reader knows what they are."""
    if source.is_text or form.family == "whole text":
        return source.is_text and form.family == "whole text"
    if source.type in NAMED and form.family in OPERATIONS:
        return False
    if form.types and source.type not in form.types:
        return False
    if form.lang and form.lang not in (source.lang, "en"):
        return False
    if source.type in special.SPECIAL and source.type not in form.types:
        return False
    return form.has_label or source.is_evident or _tells_by_check_digit(source, form)


def _tells_by_check_digit(source: Source, form: Form) -> bool:
    return form.family == "alone" and source.kind.startswith("document of stdnum")


def rows(half: Half, seed: int = 1, *, scale: float = 1.0) -> list[LabelledRow]:
    """Return the rows of a half, in the order of types and sources; `scale` makes fewer or more of them."""
    forms = [each for each in all_forms() if half_of(each.name) == half and not each.is_disguise]
    sources = [each for each in all_sources() if half_of(each.name) == half]
    fillers = _Fillers(sources)
    private = [each for each in sources if each.type or each.also]
    least = {kind: LEAST_ROWS.get(kind, OTHER_ROWS) * scale for kind in map(_group, private)}
    made = _grouped(private, forms, fillers, (seed, least, MOST_ROWS * scale))
    nobodys = [each for each in sources if not each.type and not each.also]
    kinds = {*map(_group, nobodys)}
    share = len(made) / len(kinds)
    return [*made, *_grouped(nobodys, forms, fillers, (seed, dict.fromkeys(kinds, share), share))]


def disguised_rows(half: Half, seed: int = 1, *, scale: float = 1.0) -> list[LabelledRow]:
    """Return rows of a half with values in disguise: about as many of each family of disguises."""
    sources = [each for each in all_sources() if half_of(each.name) == half and each.type]
    by_type: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        by_type[source.type or ""].append(source)
    families: dict[str, list[Form]] = defaultdict(list)
    for form in all_forms():
        if form.is_disguise and half_of(form.name) == half:
            families[form.family].append(form)
    nothing, random, made = _Fillers(()), Random(f"{seed} {half} disguised"), []
    for _, forms in sorted(families.items()):
        for _ in range(round(DISGUISE_ROWS * scale)):
            form = random.choice(forms)
            kinds = sorted(kind for kind in by_type if kind in (form.types or DISGUISED_TYPES))
            row = None
            while row is None or form.encode(row.value) == row.value:
                row = _row(random.choice(by_type[random.choice(kinds)]), form, nothing, random)
            made.append(row)
    return made


def special_rows(half: Half, seed: int = 1, *, scale: float = 1.0) -> list[LabelledRow]:
    """Return rows of a half that tell of somebody's health or belief, and rows that tell it of nobody."""
    forms = [each for each in all_forms() if half_of(each.name) == half and not each.is_disguise]
    sources = [each for each in special.sources() if half_of(each.name) == half]
    least = dict.fromkeys(map(_group, sources), SPECIAL_ROWS * scale)
    return _grouped(sources, forms, _Fillers(()), (seed, least, MOST_ROWS * scale))


def _group(source: Source) -> str:
    """Return what rows are counted by: a type, or a kind of values without one."""
    return source.type or source.kind


def _grouped(
    sources: Sequence[Source],
    forms: Sequence[Form],
    fillers: "_Fillers",
    drawn: tuple[int, Mapping[str, float], float],
) -> list[LabelledRow]:
    """Return rows, of each group at least and at most about as many as is said."""
    seed, least, most = drawn
    sizes = Counter(map(_group, sources))
    made: dict[str, list[LabelledRow]] = defaultdict(list)
    for source in sources:
        group = _group(source)
        each = min(max(FORMS_A_SOURCE, least[group] / sizes[group]), most / sizes[group])
        made[group] += _set(source, math.ceil(each), forms, fillers, seed)
    return [row for _, rows in sorted(made.items()) for row in _fewer(rows, round(most))]


class _Fillers:
    """What stands beside a value: each kind as often as any other, whatever the number of its sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._by_kind: dict[str, list[Source]] = defaultdict(list)
        for source in sources:
            if not source.type and not source.also and not source.is_text:
                self._by_kind[source.kind].append(source)
        self._kinds = sorted(self._by_kind)

    def draw(self, random: Random) -> list[Source]:
        """Return some sources, or none."""
        count = random.choice(_BESIDE) if self._kinds else 0
        return [random.choice(self._by_kind[random.choice(self._kinds)]) for _ in range(count)]


def _set(
    source: Source, count: int, forms: Sequence[Form], fillers: _Fillers, seed: int
) -> Iterator[LabelledRow]:
    fitting = [form for form in forms if fits(source, form)]
    random = Random(f"{seed} {source.name} {source.kind}")  # Apart from every other source's.
    for form in _spread(fitting, count, random) if fitting else ():
        yield _row(source, form, fillers, random)


def _spread(forms: Sequence[Form], count: int, random: Random) -> list[Form]:
    """Return forms: each family as often as its weight says, prose more often than the rest."""
    families: dict[str, list[Form]] = defaultdict(list)
    for form in forms:
        families[form.family].append(form)
    names = sorted(families)
    weights = [FAMILY_WEIGHTS.get(name, 1) for name in names]
    return [random.choice(families[name]) for name in random.choices(names, weights, k=count)]


def _row(source: Source, form: Form, fillers: _Fillers, random: Random) -> LabelledRow:
    label = random.choice(source.labels or (source.kind,))
    mains = tuple(_field(source, random, label) for _ in range(random.choice(_MAINS)))
    beside = tuple(_field(each, random, random.choice(each.labels)) for each in fillers.draw(random))
    text, spans = written(form, Fields(mains=mains, beside=beside), random)
    return LabelledRow(
        text=text,
        spans=spans,
        source=source,
        form=form,
        value=mains[0].text,
        also=form.also.union(source.also),
    )


def _field(source: Source, random: Random, label: str) -> Field:
    return Field(text=source.draw(random), type=source.type, label=label, lang=source.lang)


def _fewer(rows: list[LabelledRow], most: int) -> list[LabelledRow]:
    """Return rows, evenly fewer where there are too many."""
    return rows if len(rows) <= most else Random(len(rows)).sample(rows, most)
