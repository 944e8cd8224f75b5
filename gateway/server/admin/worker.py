"""Which of the worker processes of a gateway this one is, and where it finds the others."""

from dataclasses import dataclass
from pathlib import Path

METRICS_FOLDER = "metrics"
"""Of the folder that workers share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerIdentity:
    """A worker's number among all of them; worker 0 speaks for all."""

    number: int = 0
    count: int = 1
    folder: Path | None = None
    """The private folder that workers share; None where there is only one."""

    @property
    def speaks_for_all(self) -> bool:
        """Whether operators ask this one."""
        return self.number == 0

    @property
    def numbers_folder(self) -> Path | None:
        """Where all workers keep their metrics."""
        return None if self.folder is None else self.folder / METRICS_FOLDER

    def socket(self, number: int) -> Path | None:
        """Return where a worker answers the others."""
        return None if self.folder is None else self.folder / f"worker-{number}.sock"
