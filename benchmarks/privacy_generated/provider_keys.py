"""Sources of secrets: keys in the formats that their providers publish, drawn anew."""

import re
from collections.abc import Iterator
from random import Random
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits

from benchmarks.privacy_generated.provider_formats import FORMATS
from benchmarks.privacy_generated.value import Draw, Source

_ALPHABETS = {
    "n": digits,
    "h": digits + "abcdef",
    "H": digits + "ABCDEF",
    "l": digits + ascii_lowercase,
    "U": digits + ascii_uppercase,
    "a": digits + ascii_letters,
    "w": digits + ascii_letters + "_",
    "u": digits + ascii_letters + "_-",
    "b": digits + ascii_letters + "+/",
    "2": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "B": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "L": ascii_lowercase,
    "C": ascii_letters,
    "A": ascii_uppercase,
}
"""Alphabets of a format: {a32} is 32 letters and digits."""
_PIECE = re.compile(r"\{(\w)(\d+)\}")


def sources() -> Iterator[Source]:
    """Yield a source for each provider's key."""
    for name, formula, is_evident in FORMATS:
        yield Source(
            name=f"provider {name.split(',')[0]}",
            kind="key of a provider" if is_evident else "key of a provider, without a prefix",
            type="SECRET",
            draw=drawn(formula),
            labels=(
                f"{name.split(',')[0]} API key",
                f"{name.split(',')[0]} token",
                "API key",
                "access token",
                "secret",
            ),
            is_evident=is_evident,
            also=("URL",) if "://" in formula else (),
        )


def drawn(formula: str) -> Draw:
    """Return how to draw a value of a formula."""

    def draw(random: Random) -> str:
        return _PIECE.sub(
            lambda piece: "".join(random.choices(_ALPHABETS[piece[1]], k=int(piece[2]))), formula
        )

    return draw
