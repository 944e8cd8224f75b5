"""Who waits for a slot: ordered by deadline, bounded, and refused where the time will not suffice."""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway import errors
from gateway.engine.job import Job
from gateway.engine.pace import Forecast, Pace, Work, starts

PATIENCE_S = 60.0
"""A request is due this long after its arrival at the latest: a far deadline is no reason to starve."""
LEAST_RETRY_S = 0.1


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """A job in the queue; the order is that of being served."""

    due_s: float
    ticket: int
    job: Job = field(compare=False)
    submitted_s: float = field(compare=False)
    is_tried: bool = field(default=False, compare=False)
    """Whether it found an idle engine, so that it begins whatever is predicted: its deadline bounds it."""

    @property
    def work(self) -> Work:
        """What it costs if nothing of it is in memory."""
        return Work(prompt_tokens=len(self.job.prompt), max_tokens=self.job.max_tokens)


class Queue:
    """The requests that wait for one model. Not safe across threads: the scheduler holds its lock."""

    def __init__(
        self,
        *,
        name: str,
        limit: int,
        slots: int,
        pace: Pace,
    ) -> None:
        self._name = name
        self._limit = limit
        self._slots = slots
        self._pace = pace
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, ticket: int, job: Job, *, now_s: float, busy: Sequence[Work]) -> None:
        """Queue a job; EngineQueueFull, with the wait, when the queue is full or the time will not suffice.

        `busy` is what those that run still have to do. Whoever finds a free slot does not count as waiting;
        whoever finds an idle engine is taken whatever is predicted.
        """
        others = [each for each in self._waiting if each.job.deadline.at_s > now_s]
        is_tried = not (busy or others)
        entry = Waiting(min(job.deadline.at_s, now_s + PATIENCE_S), ticket, job, now_s, is_tried)
        waits_s = self._waits([*others, entry], busy)
        wait_s = max(LEAST_RETRY_S, waits_s[ticket])
        if len(self._waiting) >= self._limit + self._slots - len(busy):
            message = f"the queue is full (requests that wait: {len(self._waiting)})"
            raise errors.EngineQueueFull(self._name, message, retry_after_s=wait_s)
        late = None if is_tried else self._would_be_late(entry, others, waits_s, busy)
        if late is not None:
            raise errors.EngineQueueFull(self._name, late, retry_after_s=wait_s)
        insort(self._waiting, entry)

    def forecast(self, busy: Sequence[Work]) -> Forecast:
        """Return what one request more, behind all that wait, has to reckon with."""
        occupancy = self._occupancy(len(busy))
        *_, wait_s = starts(
            [self._pace.predict_s(work, sequences=occupancy) for work in busy],
            [*(self._pace.predict_s(each.work, sequences=occupancy) for each in self._waiting), 0.0],
            self._slots,
        )
        return self._pace.forecast(wait_s, sequences=occupancy)

    def pop(self) -> Waiting | None:
        """Take out who is to be served next; None when nobody waits."""
        return self._waiting.pop(0) if self._waiting else None

    def put_back(self, entry: Waiting) -> None:
        """Queue again, in the same place, what could not be served yet."""
        insort(self._waiting, entry)

    def remove(self, is_gone: Callable[[Waiting], bool]) -> list[Waiting]:
        """Take out and return all for which a condition holds."""
        gone = [entry for entry in self._waiting if is_gone(entry)]
        if gone:
            self._waiting = [entry for entry in self._waiting if not is_gone(entry)]
        return gone

    def _occupancy(self, busy: int) -> int:
        return min(self._slots, busy + len(self._waiting) + 1)

    def _waits(self, entries: Sequence[Waiting], busy: Sequence[Work]) -> dict[int, float]:
        """Return by ticket when each of a queue gets a slot, in seconds from now."""
        occupancy = self._occupancy(len(busy))
        queue = sorted(entries)
        found = starts(
            [self._pace.predict_s(work, sequences=occupancy) for work in busy],
            [self._pace.predict_s(each.work, sequences=occupancy) for each in queue],
            self._slots,
        )
        return {each.ticket: at_s for each, at_s in zip(queue, found, strict=True)}

    def _would_be_late(
        self, entry: Waiting, others: Sequence[Waiting], waits_s: Mapping[int, float], busy: Sequence[Work]
    ) -> str | None:
        """Say who would miss a deadline if a job were added: itself, or one that was accepted before it."""
        sequences = min(self._slots, len(busy) + len(others) + 1)
        taken_s = self._end_s(entry, waits_s, sequences)
        left_s = entry.job.deadline.at_s - entry.submitted_s
        if taken_s > left_s:
            wait_s = waits_s[entry.ticket]
            return (
                f"an answer is expected to take {taken_s:.1f} s, {wait_s:.1f} s of them waiting, "
                f"and has {left_s:.1f} s"
            )
        behind = [other for other in others if other > entry]
        waits_before_s = self._waits(others, busy) if behind else {}
        for other in behind:
            left_s = other.job.deadline.at_s - entry.submitted_s
            if (
                self._end_s(other, waits_before_s, sequences)
                <= left_s
                < self._end_s(other, waits_s, sequences)
            ):
                return "a request that was accepted before would miss its deadline for it"
        return None

    def _end_s(self, entry: Waiting, waits_s: Mapping[int, float], sequences: int) -> float:
        return waits_s[entry.ticket] + self._pace.finish_s(entry.work, sequences=sequences)
