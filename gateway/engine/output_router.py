"""Carries outputs from the decoding thread to the event loop, with as few wake-ups as their callers allow.

Each wake-up takes a core from the decoding threads: the event loop runs, then the gateway and the client. So
what follows within `GATHER_S` leaves together, except the first token and the last, and an answer that nobody
streams leaves whole."""

import asyncio
import math
from collections.abc import Callable, Iterable

from gateway.clock import Clock
from gateway.engine.sequence import StepOutput

HEARTBEAT_S = 2.0
"""After so long without output, a request in the queue or in prefill gets an empty output as a heartbeat."""


class OutputRouter:
    """Passes the outputs of the scheduler's thread to the coroutines that wait for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[int, asyncio.Queue[list[StepOutput]]] = {}
        self._held: dict[int, list[StepOutput]] = {}
        """Outputs of answers that leave whole, by ticket."""

    def deliver(self, outputs: list[StepOutput]) -> None:
        """Deliver the outputs of a step or several; called from the scheduler's thread."""
        self._loop.call_soon_threadsafe(self._dispatch, outputs)

    def open(self, ticket: int) -> asyncio.Queue[list[StepOutput]]:
        """Return the output queue of a ticket; call it after `submit`, before the loop runs again."""
        self._queues[ticket] = asyncio.Queue()
        self._held[ticket] = []
        return self._queues[ticket]

    def close(self, ticket: int) -> None:
        """Drop further outputs of a ticket."""
        del self._queues[ticket], self._held[ticket]

    def _dispatch(self, outputs: list[StepOutput]) -> None:
        ready = set()
        for output in outputs:
            if output.ticket in self._queues:
                self._held[output.ticket].append(output)
                if not math.isinf(output.may_wait_s):
                    ready.add(output.ticket)
        for ticket in ready:
            self._queues[ticket].put_nowait(self._held[ticket])
            self._held[ticket] = []


class OutputGatherer:
    """Holds the outputs of steps until one of them may wait no longer; for the scheduler's thread."""

    def __init__(self, deliver: Callable[[list[StepOutput]], None], clock: Clock) -> None:
        self._deliver = deliver
        self._clock = clock
        self._held: list[StepOutput] = []
        self._due_s = math.inf

    def add(self, outputs: Iterable[StepOutput]) -> None:
        """Hold the outputs of a step."""
        for output in outputs:
            self._held.append(output)
            if not math.isinf(output.may_wait_s):
                self._due_s = min(self._due_s, self._clock.monotonic_s() + output.may_wait_s)

    def deliver_due(self, *, all_due: bool, step_s: float = 0.0) -> None:
        """Deliver what is held if a part of it is due within a step, or if `all_due`."""
        if self._held and (all_due or self._due_s <= self._clock.monotonic_s() + step_s):
            held, self._held, self._due_s = self._held, [], math.inf
            self._deliver(held)


async def next_or_heartbeat(
    queue: asyncio.Queue[list[StepOutput]], *, iterations: Callable[[], int]
) -> list[StepOutput]:
    """Return the next outputs, or none after `HEARTBEAT_S` if the scheduler made progress."""
    while True:
        before = iterations()
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await queue.get()
        except TimeoutError:
            if iterations() != before:
                return []
