"""The word table and the norms of the counts: `gateway/complexity/shipped/words.npz`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.complexity.features import prompt_features
from gateway.complexity.static_words import DIMENSIONS, pieces_of
from gateway.domain.conversation import Message, Role

Floats = NDArray[np.float64]

RARITY = 1e-3
"""How quickly common words count less: smooth inverse frequency (Arora et al. 2017), by Zipf's law."""
CONTEXT_SCALE = 3.0
"""Of the counts that single prompts do not have: `context` and `turns`."""


def reduced(vectors: Floats) -> Floats:
    """Return the vectors of words in their first principal directions, common words shortened."""
    centred = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    zipf = 1.0 / np.arange(1, len(vectors) + 1)
    zipf /= zipf.sum()
    weights: Floats = RARITY / (RARITY + zipf)
    found: Floats = centred @ directions[:DIMENSIONS].T * weights[:, None]
    return found


def write_table(out: Path, pieces: list[str], vectors: Floats, prompts: list[str]) -> None:
    """Write the table, and the norms that a set of prompts gives."""
    scale = np.abs(vectors).max(axis=0) / 127.0
    packed = np.round(vectors / scale).astype(np.int8)
    ids = {piece: i for i, piece in enumerate(pieces)}
    means = np.array(
        [(packed[found] * scale).mean(axis=0) for prompt in prompts if (found := pieces_of(prompt, ids))]
    )
    length = np.sqrt(((means - means.mean(axis=0)) ** 2).sum(axis=1).mean())
    counts = np.array([prompt_features([Message(role=Role.USER, content=prompt)]) for prompt in prompts])
    numeric_scale = counts.std(axis=0)
    numeric_scale[numeric_scale < 1e-6] = CONTEXT_SCALE
    np.savez_compressed(
        out,
        pieces=np.array("\n".join(pieces)),
        vectors=packed,
        scale=(scale / length).astype(np.float32),
        mean=(means.mean(axis=0) / length).astype(np.float32),
        numeric_mean=counts.mean(axis=0),
        numeric_scale=numeric_scale,
    )
