"""The queue for slots: ordered by deadline, bounded; refuses requests that would miss their deadline."""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from gateway import errors
from gateway.domain.samples import QUANTILE
from gateway.engine.interfaces import EngineRequest
from gateway.engine.throughput import ServiceForecast, ThroughputModel, Work, starts

PATIENCE_S = 60.0
"""A request is due at most this long after its arrival, so that a distant deadline does not starve it."""
MIN_RETRY_S = 0.1
"""Shortest delay that a refused caller is asked to wait."""
LIKELY = 0.5
"""Lowest probability of finishing in time at which a request is accepted as a risk."""
LATE = 0.95
"""A request cancelled after this share of its time counts as late: the caller's clock may be ahead."""
EARNED = 0.8 * (1.0 - QUANTILE) / QUANTILE
"""Credit for one answer in time; a late one costs 1, so that fewer than one in twenty of all are late."""


class Admission(Enum):
    """Why a request was accepted."""

    PREDICTED = auto()
    """It is expected to finish in time."""
    RISK = auto()
    """It will probably finish in time, a slot is free, and the risk budget allows it."""
    IDLE = auto()
    """The engine was idle, and the deadline bounds the cost of a late answer."""


@dataclass(frozen=True, slots=True, order=True)
class QueuedRequest:
    """A request in the queue; sorted in the order of service."""

    due_s: float
    ticket: int
    request: EngineRequest = field(compare=False)
    submitted_s: float = field(compare=False)
    known_tokens: int = field(default=0, compare=False)
    """Tokens of its prompt in the prefix cache."""
    admission: Admission = field(default=Admission.PREDICTED, compare=False)

    @property
    def work(self) -> Work:
        """The work of the request, as far as it is known."""
        return Work(
            prompt_tokens=len(self.request.prompt) - self.known_tokens, max_tokens=self.request.max_tokens
        )

    def is_late(self, now_s: float) -> bool:
        """Whether nearly all of its time has passed."""
        return now_s - self.submitted_s >= LATE * (self.request.deadline.at_s - self.submitted_s)


class RiskBudget:
    """Late answers that an engine may still give and keep its promise; the scheduler's lock guards it.

    A risk is paid in advance and paid back when the answer is in time, so all concurrent risks may be late.
    One is allowed from the start, since without any the engine learns nothing.
    """

    def __init__(self, *, most: int) -> None:
        self._most = float(most)
        self._left = 1.0

    @property
    def is_left(self) -> bool:
        """Whether one more risk is allowed."""
        return self._left >= 1.0

    def take(self) -> None:
        """Pay for a risk."""
        self._left -= 1.0

    def record(self, *, was_risk: bool, is_in_time: bool | None) -> None:
        """Record how a request ended; None: its caller or its own failure ended it before its deadline."""
        back = 1.0 if was_risk and is_in_time is not False else 0.0
        earned = EARNED if is_in_time else 0.0
        cost = 1.0 if is_in_time is False and not was_risk else 0.0
        self._left = max(-self._most, min(self._most, self._left + back + earned - cost))


class RequestQueue:
    """The requests that wait for one model. Not safe across threads: the scheduler holds its lock."""

    def __init__(
        self,
        *,
        name: str,
        limit: int,
        slots: int,
        throughput: ThroughputModel,
        known_tokens: Callable[[EngineRequest], int],
    ) -> None:
        """`known_tokens` returns how many tokens of a prompt are in the prefix cache."""
        self._name = name
        self._limit = limit
        self._slots = slots
        self._throughput = throughput
        self._known_tokens = known_tokens
        self._risks = RiskBudget(most=slots)
        self._waiting: list[QueuedRequest] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, ticket: int, request: EngineRequest, *, now_s: float, busy: Sequence[Work]) -> None:
        """Queue a request; raises EngineQueueFull, with a delay, if the queue is full or it would be late.

        `busy` is the remaining work of the running requests. A request that finds a free slot does not count
        as waiting; an idle engine accepts any request.
        """
        others = [each for each in self._waiting if each.request.deadline.at_s > now_s]
        entry = QueuedRequest(min(request.deadline.at_s, now_s + PATIENCE_S), ticket, request, now_s)
        if not (busy or others):
            insort(self._waiting, replace(entry, admission=Admission.IDLE))
            return
        wait_s = max(MIN_RETRY_S, self._waits([*others, entry], busy)[ticket])
        if len(self._waiting) >= self._limit + self._slots - len(busy):
            message = f"the queue is full (requests waiting: {len(self._waiting)})"
            raise errors.EngineQueueFull(self._name, message, retry_after_s=wait_s)
        late = self._would_be_late(entry, others, busy, share=QUANTILE)
        if late is not None and (known_tokens := self._known_tokens(request)):
            # Looked up only when needed: the cache may hold hundreds of prompts.
            entry = replace(entry, known_tokens=known_tokens)
            late = self._would_be_late(entry, others, busy, share=QUANTILE)
        if late is not None and self._may_risk(len(busy) + len(others)):
            late = self._would_be_late(entry, others, busy, share=LIKELY)
            entry = replace(entry, admission=Admission.RISK)
        if late is not None:
            raise errors.EngineQueueFull(self._name, late, retry_after_s=wait_s)
        if entry.admission is Admission.RISK:
            self._risks.take()
        insort(self._waiting, entry)

    def record_end(self, entry: QueuedRequest, *, is_in_time: bool | None) -> None:
        """Record whether a request ended in time; None: it ended for another reason."""
        if entry.admission is not Admission.IDLE:
            self._risks.record(was_risk=entry.admission is Admission.RISK, is_in_time=is_in_time)

    def _may_risk(self, others: int) -> bool:
        """Whether a slot is free besides `others`, and the risk budget allows one more late answer."""
        return others < self._slots and self._risks.is_left

    def forecast(self, busy: Sequence[Work]) -> ServiceForecast:
        """Return the forecast for one more request behind all that wait.

        With a free slot it holds for half of the answers, whatever the risk budget is now: a forecast is read
        some time after it was made, and `add` refuses what the budget does not allow.
        """
        occupancy = self._occupancy(len(busy))
        *_, wait_s = starts(
            [self._throughput.predict_s(work, sequences=occupancy) for work in busy],
            [*(self._throughput.predict_s(each.work, sequences=occupancy) for each in self._waiting), 0.0],
            self._slots,
        )
        share = LIKELY if len(busy) + len(self._waiting) < self._slots else QUANTILE
        return self._throughput.forecast(wait_s, sequences=occupancy, share=share)

    def pop(self) -> QueuedRequest | None:
        """Remove and return the next request; None if none waits."""
        return self._waiting.pop(0) if self._waiting else None

    def put_back(self, entry: QueuedRequest) -> None:
        """Queue a request again in its old position."""
        insort(self._waiting, entry)

    def remove(self, matches: Callable[[QueuedRequest], bool]) -> list[QueuedRequest]:
        """Remove and return all requests that match."""
        removed = [entry for entry in self._waiting if matches(entry)]
        if removed:
            self._waiting = [entry for entry in self._waiting if not matches(entry)]
        return removed

    def _occupancy(self, busy: int) -> int:
        return min(self._slots, busy + len(self._waiting) + 1)

    def _waits(self, entries: Sequence[QueuedRequest], busy: Sequence[Work]) -> dict[int, float]:
        """Return the seconds until each queued request gets a slot, by ticket."""
        occupancy = self._occupancy(len(busy))
        queue = sorted(entries)
        found = starts(
            [self._throughput.predict_s(work, sequences=occupancy) for work in busy],
            [self._throughput.predict_s(each.work, sequences=occupancy) for each in queue],
            self._slots,
        )
        return {each.ticket: at_s for each, at_s in zip(queue, found, strict=True)}

    def _would_be_late(
        self, entry: QueuedRequest, others: Sequence[QueuedRequest], busy: Sequence[Work], *, share: float
    ) -> str | None:
        """Return why adding a request would miss a deadline, its own or an earlier one's; None: it would not.

        Its own: if less than this share of answers would end in its time.
        """
        sequences = min(self._slots, len(busy) + len(others) + 1)
        waits_s = self._waits([*others, entry], busy)
        taken_s = self._end_s(entry, waits_s, sequences, share)
        left_s = entry.request.deadline.at_s - entry.submitted_s
        if taken_s > left_s:
            wait_s = waits_s[entry.ticket]
            return (
                f"an answer is expected to take {taken_s:.1f} s, {wait_s:.1f} s of them waiting, "
                f"and has {left_s:.1f} s"
            )
        behind = [other for other in others if other > entry]
        waits_before_s = self._waits(others, busy) if behind else {}
        for other in behind:
            left_s = other.request.deadline.at_s - entry.submitted_s
            if (
                self._end_s(other, waits_before_s, sequences, QUANTILE)
                <= left_s
                < self._end_s(other, waits_s, sequences, QUANTILE)
            ):
                return "a request that was accepted earlier would miss its deadline"
        return None

    def _end_s(
        self, entry: QueuedRequest, waits_s: Mapping[int, float], sequences: int, share: float
    ) -> float:
        return waits_s[entry.ticket] + self._throughput.finish_s(entry.work, sequences=sequences, share=share)
