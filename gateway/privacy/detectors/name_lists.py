"""Lists of people's names, from the package; see names/SOURCES.txt."""

import unicodedata
from importlib.resources import files

_LATIN = str.maketrans(
    dict(
        zip(
            "\xdf\xe6\xf8\u0142\u0111\xf0\xfe\u0131\u0153\u0259",
            ["ss", "ae", "o", "l", "d", "d", "th", "i", "oe", "a"],
            strict=True,
        )
    )
)
"""Letters that do not decompose into an ASCII letter and an accent."""


def _listed(name: str) -> frozenset[str]:
    path = files("gateway.privacy.detectors") / "names" / f"{name}.txt"
    # A set that is copied takes half the memory of one that has grown.
    return frozenset(set(path.read_text(encoding="ascii").split()))


GIVEN = _listed("given")
"""Given names that are seldom other words."""
DOUBTFUL = _listed("doubtful")
"""Given names that are also words, months, peoples, places or famous names."""
FAMILY = _listed("family") | GIVEN
"""Surnames that are seldom other words, and given names, which may be surnames."""
FAMILY_ENDINGS = (
    "ski", "ska", "cki", "cka", "skiej", "skiego", "skim", "skiemu", "ckiej", "ckiego", "wicz", "czyk", "ova",
    "ovich", "evich", "vic", "enko", "chuk", "yev", "yeva", "escu", "poulos", "idis", "akis", "shvili",
    "adze", "yan", "oglu", "sson", "dottir", "stad", "gaard", "nen", "berg", "stein", "mann", "feld", "ez",
    "inho", "eiro",
)  # fmt: skip
"""Endings of surnames: Slavic, Romanian, Greek, Georgian, Armenian, Turkish, Nordic, German, Iberian."""
CERTAIN_ENDINGS = (
    "owski", "owska", "ewski", "ewska", "inski", "inska", "ovic", "evic", "ovich", "evich", "enko", "shvili",
    "sdottir", "sson", "opoulos", "iewicz", "czyk",
)  # fmt: skip
"""Endings that only surnames have."""


def plain(word: str) -> str:
    """Return a word in the form of the lists: small letters without accents."""
    folded = word.casefold()
    if folded.isascii():
        return folded.replace("'", "")
    text = unicodedata.normalize("NFKD", folded.translate(_LATIN))
    return "".join(char for char in text if not unicodedata.combining(char))
