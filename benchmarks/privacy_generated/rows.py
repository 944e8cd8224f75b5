"""Rows of one half: its sources set into its forms, and as many rows with nothing private."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
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

FORMS_A_SOURCE = 8
"""Forms that each source is set into, at least."""
TYPE_ROWS = range(300, 1_501)
"""Rows of one type, about: the sources of a type that has few are set into more forms."""
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
    if form.types and source.type not in form.types:
        return False
    if form.lang and form.lang not in (source.lang, "en"):
        return False
    if form.is_disguise and source.type is None:
        return False
    return form.has_label or source.is_evident or _tells_by_check_digit(source, form)


def _tells_by_check_digit(source: Source, form: Form) -> bool:
    return form.family == "alone" and source.kind.startswith("document of stdnum")


def rows(half: Half, seed: int = 1, *, disguised: bool = False, scale: float = 1.0) -> list[LabelledRow]:
    """Return the rows of a half, in the order of the sources' names; `scale` makes fewer or more of them."""
    forms = [each for each in all_forms() if half_of(each.name) == half and each.is_disguise == disguised]
    sources = [each for each in all_sources() if half_of(each.name) == half]
    fillers = [each for each in sources if not each.type and not each.also and not each.is_text]
    private = [each for each in sources if each.type or (each.also and not disguised)]
    most = round(TYPE_ROWS[-1] * scale)
    groups = _grouped(private, forms, _Fillers(fillers), (seed, TYPE_ROWS[0] * scale))
    made = [row for group in groups for row in _fewer(group, most)]
    if disguised:
        return made
    nobodys = [each for each in sources if not each.type and not each.also]
    share = len(made) / len({each.kind for each in nobodys})
    beside = _grouped(nobodys, forms, _Fillers(fillers), (seed, share))
    return [*made, *(row for group in beside for row in _fewer(group, round(share)))]


def _grouped(
    sources: Sequence[Source], forms: Sequence[Form], fillers: "_Fillers", drawn: tuple[int, float]
) -> list[list[LabelledRow]]:
    """Return about so many rows of each type, and of each kind of values without one."""
    seed, least = drawn
    sizes = Counter(each.type or each.kind for each in sources)
    made: dict[str, list[LabelledRow]] = defaultdict(list)
    for source in sources:
        group = source.type or source.kind
        made[group] += _set(source, max(FORMS_A_SOURCE * 1.0, least / sizes[group]), forms, fillers, seed)
    return [rows for _, rows in sorted(made.items())]


class _Fillers:
    """What stands beside a value: each kind as often as any other, whatever the number of its sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._by_kind: dict[str, list[Source]] = defaultdict(list)
        for source in sources:
            self._by_kind[source.kind].append(source)
        self._kinds = sorted(self._by_kind)

    def draw(self, random: Random) -> Source:
        """Return one source."""
        return random.choice(self._by_kind[random.choice(self._kinds)])


def _set(
    source: Source, count: float, forms: Sequence[Form], fillers: _Fillers, seed: int
) -> Iterator[LabelledRow]:
    fitting = [form for form in forms if fits(source, form)]
    random = Random(f"{seed} {source.name} {source.kind}")  # Apart from every other source's.
    for form in _spread(fitting, max(1, round(count)), random) if fitting else ():
        yield _row(source, form, fillers, random)


def _spread(forms: Sequence[Form], count: int, random: Random) -> Iterator[Form]:
    """Yield forms, each family as often as any other."""
    families: dict[str, list[Form]] = defaultdict(list)
    for form in forms:
        families[form.family].append(form)
    for _ in range(count):
        yield random.choice(families[random.choice(sorted(families))])


def _row(source: Source, form: Form, fillers: _Fillers, random: Random) -> LabelledRow:
    label = random.choice(source.labels or (source.kind,))
    mains = tuple(_field(source, random, label) for _ in range(random.choice(_MAINS)))
    drawn = [fillers.draw(random) for _ in range(random.choice(_BESIDE))]
    beside = tuple(_field(each, random, random.choice(each.labels)) for each in drawn)
    text, spans = written(form, Fields(mains=mains, beside=beside), random)
    return LabelledRow(text=text, spans=spans, source=source, form=form, also=form.also.union(source.also))


def _field(source: Source, random: Random, label: str) -> Field:
    return Field(text=source.draw(random), type=source.type, label=label, lang=source.lang)


def _fewer(rows: list[LabelledRow], most: int) -> list[LabelledRow]:
    """Return rows, evenly fewer where there are too many."""
    return rows if len(rows) <= most else Random(len(rows)).sample(rows, most)
