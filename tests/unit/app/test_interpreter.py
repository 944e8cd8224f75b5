"""A process that serves does not pause for what it built before it served."""

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate

from gateway.app.interpreter import (
    COLLECTIONS,
    GROWTH_BYTES,
    SWITCH_S,
    collect_when_grown,
    peak_bytes,
    set_for_serving,
)
from tests.support.fakes import FakeClock


class Circle:
    """What only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_built_before_is_not_looked_through_again() -> None:
    """What there is when it begins to serve is in no collection; the ledger's thread waits for less."""
    before, switch_s = gc.get_threshold(), sys.getswitchinterval()
    built = len(gc.get_objects())
    try:
        set_for_serving()
        assert gc.get_freeze_count() > built / 2
        assert len(gc.get_objects()) < built / 10
        assert gc.get_threshold() == COLLECTIONS
        assert sys.getswitchinterval() <= SWITCH_S
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        sys.setswitchinterval(switch_s)


def _kept_while(sizes: Iterator[int]) -> list[bool]:
    """Return, for each look at the memory, whether a circle that was made long before is still there."""
    gone = weakref.ref(Circle())
    kept: list[bool] = []

    def used_bytes() -> int:
        kept.append(gone() is not None)
        try:
            return next(sizes)
        except StopIteration:
            raise asyncio.CancelledError from None

    async def run() -> None:
        with suppress(asyncio.CancelledError):
            await collect_when_grown(FakeClock(), used_bytes=used_bytes)

    gc.disable()
    try:
        asyncio.run(run())
    finally:
        gc.enable()
    return kept


def test_a_process_that_grows_collects_everything() -> None:
    """Not before it has grown by so much, since everybody waits for it."""
    slowly, suddenly = GROWTH_BYTES // 3, GROWTH_BYTES + 1
    assert _kept_while(accumulate([0, slowly, slowly])) == [True] * 4
    assert _kept_while(accumulate([0, suddenly, 0])) == [True, True, False, False]
    assert _kept_while(accumulate([0, slowly, slowly, slowly + 3, 0]))[-2:] == [False, False]
    assert peak_bytes() > 1024 * 1024
