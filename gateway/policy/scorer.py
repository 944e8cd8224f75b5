"""A scorer of complexity as data; `gateway.complexity.scorer_file` reads and writes its file."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One weight a feature, in units of quality gained; intercept and slope make log-odds of their sum."""

    weights: tuple[float, ...]
    intercept: float
    slope: float
    sha256: str
    """Of the file."""
    is_calibrated: bool = False
    """Whether the score is a probability on the traffic that it was learned from."""
    text: str = field(default="", repr=False, compare=False)
    """The file, for a process that hands it on; empty for a scorer that was made in memory."""
