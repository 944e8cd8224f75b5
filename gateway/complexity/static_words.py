"""The mean vector of a prompt's words, which represents its subject without a transformer.

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
_MAX_CHARS = 8192
"""Characters of a prompt that are read; bounds the time, and the subject seldom changes later."""
_MAX_WORD_CHARS = 32
_WORD = re.compile(r"[a-z]+|[^\sa-z]")

Floats = NDArray[np.float64]


class WordTable(NamedTuple):
    """The content of `shipped/words.npz`."""

    ids: dict[str, int]
    vectors: NDArray[np.int8]
    """[pieces, DIMENSIONS], as they are stored: real numbers would take four times the memory."""
    scale: Floats
    mean: Floats
    """A vector times `scale`, less `mean`, is centred; a typical prompt's mean of them has length 1."""
    numeric_mean: Floats
    numeric_scale: Floats
    """Mean and scale of the counts of `PromptFeatures`."""
    sha256: str


@cache
def word_table() -> WordTable:
    """Return the packaged table; it is read once."""
    data = files("gateway.complexity").joinpath("shipped", "words.npz").read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        pieces = str(arrays["pieces"]).split("\n")
        return WordTable(
            ids={piece: i for i, piece in enumerate(pieces)},
            vectors=arrays["vectors"],
            scale=arrays["scale"].astype(np.float64),
            mean=arrays["mean"].astype(np.float64),
            numeric_mean=arrays["numeric_mean"],
            numeric_scale=arrays["numeric_scale"],
            sha256=sha256(data).hexdigest(),
        )


def pieces_of(text: str, ids: dict[str, int]) -> list[int]:
    """Return the ids of a text's word pieces: the longest known ones, from left to right."""
    words = _WORD.findall(text[:_MAX_CHARS].lower())
    found = [ids[word] for word in words if word in ids]
    if len(found) == len(words):
        return found
    found = []
    for word in words:
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


def mean_vector(text: str) -> Floats:
    """Return the mean vector of a prompt's word pieces; zeros if no word is known."""
    table = word_table()
    found = pieces_of(text, table.ids)
    if not found:
        return np.zeros(DIMENSIONS)
    total: Floats = np.add.reduce(table.vectors.take(found, axis=0), axis=0, dtype=np.float64)
    return total * table.scale / len(found) - table.mean
