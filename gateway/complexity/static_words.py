"""The mean vector of a prompt's words: where on the map of subjects it lies, without a transformer.

The table holds one vector for each word piece, distilled from all-MiniLM-L6-v2; `shipped/CARD.md` says how.
"""

import re
from functools import cache
from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 64
DIGITS = 5
"""To which features are rounded, so that a record keeps them as they are, and short."""
_MAX_CHARS = 8192
"""Of a prompt that are looked at: the subject does not change after so many, and the time is bounded."""
_MAX_WORD_CHARS = 32
_WORD = re.compile(r"[a-z]+|[^\sa-z]")

Floats = NDArray[np.float64]


class WordTable(NamedTuple):
    """What `shipped/words.npz` holds."""

    ids: dict[str, int]
    vectors: NDArray[np.float32]
    """[pieces, DIMENSIONS], centred and scaled so that a typical prompt's mean has length 1."""
    numeric_mean: Floats
    numeric_scale: Floats
    """By which the counts of `PromptFeatures` are centred and scaled."""
    sha256: str


@cache
def word_table() -> WordTable:
    """Return the table of the package, read once."""
    data = files("gateway.complexity").joinpath("shipped", "words.npz").read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        pieces = str(arrays["pieces"]).split("\n")
        vectors = arrays["vectors"].astype(np.float32) * arrays["scale"] - arrays["mean"]
        return WordTable(
            ids={piece: i for i, piece in enumerate(pieces)},
            vectors=vectors.astype(np.float32),
            numeric_mean=arrays["numeric_mean"],
            numeric_scale=arrays["numeric_scale"],
            sha256=sha256(data).hexdigest(),
        )


def pieces_of(text: str, ids: dict[str, int]) -> list[int]:
    """Return the word pieces of a text by their ids: the longest that are known, from left to right."""
    found: list[int] = []
    for word in _WORD.findall(text[:_MAX_CHARS].lower()):
        known = ids.get(word)
        if known is not None:
            found.append(known)
        elif 1 < len(word) <= _MAX_WORD_CHARS:
            found += _split_word(word, ids)
    return found


def _split_word(word: str, ids: dict[str, int]) -> list[int]:
    found: list[int] = []
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            known = ids.get(("##" if start else "") + word[start:end])
            if known is not None:
                break
        else:
            return found
        found.append(known)
        start = end
    return found


def mean_vector(text: str) -> list[float]:
    """Return where a prompt lies; the middle of the map for one without a known word."""
    table = word_table()
    found = pieces_of(text, table.ids)
    if not found:
        return [0.0] * DIMENSIONS
    mean: list[float] = np.round(
        table.vectors[found].sum(axis=0, dtype=np.float64) / len(found), DIGITS
    ).tolist()
    return mean
