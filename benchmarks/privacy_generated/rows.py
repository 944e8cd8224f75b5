"""Rows of one half: each source set into some of the forms of its half, and as many rows with nothing private."""

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

from benchmarks.privacy_generated import (
    benign,
    crypto_addresses,
    disguises,
    documents,
    forms_code,
    forms_data,
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

FORMS_A_SOURCE = 10
"""Forms that each source is set into."""
MOST_A_TYPE = 1_500
"""Rows of one type at most, so that no type outweighs the others."""
_BESIDE = (0, 0, 1, 2, 3)
_MAINS = (1, 1, 1, 2, 3, 5)


@cache
def all_sources() -> tuple[Source, ...]:
    """Return every source, those of values that are nobody's too."""
    rooms = (locales, phones, documents, provider_keys, passwords, numbers, crypto_addresses, benign)
    return tuple(source for room in rooms for source in room.sources())


@cache
def all_forms() -> tuple[Form, ...]:
    """Return every form, disguises too."""
    rooms = (forms_text, forms_data, forms_code, disguises)
    return tuple(form for room in rooms for form in room.forms())


def fits(source: Source, form: Form) -> bool:
    """Whether a form can hold values of a source so that a reader knows what they are."""
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
    """Return the rows of a half, in the order of the sources' names; `scale` takes fewer or more forms a source."""
    forms = [each for each in all_forms() if half_of(each.name) == half and each.is_disguise == disguised]
    sources = [each for each in all_sources() if half_of(each.name) == half]
    fillers = [each for each in sources if each.type is None and not each.also]
    private = [each for each in sources if each.type or each.also]
    made = list(_capped(_set(private, forms, fillers, (seed, scale))))
    if disguised:
        return made
    wanted = len(made)
    again = max(1, -(-wanted // (len(fillers) * FORMS_A_SOURCE)))
    nobodys = list(_set(fillers, forms, fillers, (seed, scale * again)))
    Random(seed).shuffle(nobodys)
    return [*made, *nobodys[:wanted]]


def _set(
    sources: Sequence[Source], forms: Sequence[Form], fillers: Sequence[Source], drawn: tuple[int, float]
) -> Iterator[LabelledRow]:
    seed, scale = drawn
    for source in sources:
        fitting = [form for form in forms if fits(source, form)]
        random = Random(zlib.crc32(f"{seed} {source.name} {source.kind}".encode()))
        for form in random.choices(fitting, k=max(1, round(FORMS_A_SOURCE * scale))) if fitting else ():
            yield _row(source, form, fillers, random)


def _row(source: Source, form: Form, fillers: Sequence[Source], random: Random) -> LabelledRow:
    label = random.choice(source.labels) if source.labels else source.kind
    mains = tuple(_field(source, random, label) for _ in range(random.choice(_MAINS)))
    beside = tuple(_field(each, random) for each in random.sample(fillers, k=random.choice(_BESIDE)))
    text, spans = written(form, Fields(mains=mains, beside=beside), random)
    return LabelledRow(text=text, spans=spans, source=source, form=form, also=frozenset(source.also))


def _field(source: Source, random: Random, label: str = "") -> Field:
    text = (
        " ".join(source.draw(random).split())
        if source.type != "ADDRESS"
        else ", ".join(source.draw(random).splitlines())
    )
    return Field(text=text, type=source.type, label=label or random.choice(source.labels), lang=source.lang)


def _capped(made: Iterator[LabelledRow]) -> Iterator[LabelledRow]:
    """Yield rows, of each type evenly fewer where there are too many."""
    by_type: dict[str, list[LabelledRow]] = defaultdict(list)
    for row in made:
        by_type[row.source.type or row.source.kind].append(row)
    for kind in sorted(by_type):
        listed = by_type[kind]
        if len(listed) > MOST_A_TYPE:
            listed = Random(len(listed)).sample(listed, MOST_A_TYPE)
        yield from listed
