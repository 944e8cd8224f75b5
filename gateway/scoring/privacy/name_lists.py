"""Which words are names of people: lists that ship with the package, see names/SOURCES.md."""

import unicodedata
from importlib.resources import files

_LATIN = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "œ": "oe", "ə": "a",
        "'": "",
    }
)  # fmt: skip


def _listed(name: str) -> frozenset[str]:
    path = files("gateway.scoring.privacy") / "names" / f"{name}.txt"
    return frozenset(path.read_text(encoding="ascii").split())


GIVEN = _listed("given")
"""Given names that are seldom anything else."""
DOUBTFUL = _listed("doubtful")
"""Given names that are words, months, peoples, places or famous too."""
FAMILY = _listed("family") | GIVEN
"""Surnames that are seldom anything else, and given names, which serve as surnames."""
FAMILY_ENDINGS = (
    "ski", "ska", "cki", "cka", "wicz", "czyk", "ova", "ovich", "evich", "enko", "chuk", "yev", "yeva", "escu",
    "poulos", "idis", "akis", "shvili", "adze", "yan", "oglu", "sson", "sdottir", "dottir", "stad", "gaard",
    "skiej", "skiego", "skim", "skiemu", "ckiej", "ckiego", "vic", "nen", "berg", "stein", "mann", "feld", "ez", "inho", "eiro",
)  # fmt: skip
"""How surnames end in languages that form them so: Slavic, Greek, Georgian, Turkish, Nordic, German, Iberian."""
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
