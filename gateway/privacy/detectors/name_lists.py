"""Which words are names of people: lists that ship with the package, see names/SOURCES.txt."""

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
"""Letters that are no ASCII letter with an accent."""


def _listed(name: str) -> frozenset[str]:
    path = files("gateway.privacy.detectors") / "names" / f"{name}.txt"
    return frozenset(path.read_text(encoding="ascii").split())


GIVEN = _listed("given")
"""Given names that are seldom anything else."""
DOUBTFUL = _listed("doubtful")
"""Given names that are words, months, peoples, places or famous too."""
FAMILY = _listed("family") | GIVEN
"""Surnames that are seldom anything else, and given names, which serve as surnames."""
FAMILY_ENDINGS = (
    "ski", "ska", "cki", "cka", "skiej", "skiego", "skim", "skiemu", "ckiej", "ckiego", "wicz", "czyk", "ova",
    "ovich", "evich", "vic", "enko", "chuk", "yev", "yeva", "escu", "poulos", "idis", "akis", "shvili",
    "adze", "yan", "oglu", "sson", "dottir", "stad", "gaard", "nen", "berg", "stein", "mann", "feld", "ez",
    "inho", "eiro",
)  # fmt: skip
"""How surnames end: Slavic, Romanian, Greek, Georgian, Armenian, Turkish, Nordic, German, Iberian ones."""
CERTAIN_ENDINGS = (
    "owski", "owska", "ewski", "ewska", "inski", "inska", "ovic", "evic", "ovich", "evich", "enko", "shvili",
    "sdottir", "sson", "opoulos", "iewicz", "czyk",
)  # fmt: skip
"""Those of them that nothing but a surname has."""


def plain(word: str) -> str:
    """Return a word as the lists write names: small letters, no accents."""
    folded = word.casefold()
    if folded.isascii():
        return folded.replace("'", "")
    text = unicodedata.normalize("NFKD", folded.translate(_LATIN))
    return "".join(char for char in text if not unicodedata.combining(char))
