"""Vectors as all models give them: of length 1, as 32-bit little-endian floats."""

import numpy as np
from numpy.typing import NDArray


def scaled(vector: NDArray[np.floating], dimensions: int | None = None) -> bytes:
    """Return the first dimensions of a vector, scaled to length 1; a vector of zeros stays one."""
    kept = vector[:dimensions].astype(np.float64)
    length = float(np.linalg.norm(kept))
    return (kept / (length or 1.0)).astype("<f4").tobytes()


def numbers_of(vector: bytes) -> list[float]:
    """Return the numbers of a vector."""
    return list(np.frombuffer(vector, dtype="<f4").tolist())
