"""The breaker of one model: when it opens, for how long, and how it closes again."""

import pytest

from gateway.dispatch.breaker import Breaker
from gateway.errors import BreakerVerdict

FAILURE = BreakerVerdict.FAILURE
IGNORE = BreakerVerdict.IGNORE
OPEN_LONG = BreakerVerdict.OPEN_LONG


def call(breaker: Breaker, verdict: BreakerVerdict | None, now_s: float) -> None:
    """Make a call that ends at once."""
    assert breaker.retry_after_s(now_s) is None
    breaker.record(breaker.admit(now_s), verdict, now_s)


def opened_at(now_s: float) -> Breaker:
    """Return a breaker that five failures in a row opened."""
    breaker = Breaker()
    for _ in range(5):
        call(breaker, FAILURE, now_s)
    return breaker


@pytest.mark.parametrize(
    ("history", "opens"),
    [
        ([FAILURE] * 4, False),
        ([FAILURE] * 5, True),
        ([FAILURE] * 4 + [IGNORE, FAILURE], True),  # What says nothing does not end the row.
        ([FAILURE] * 3 + [None] * 3, False),  # Half is not more than half.
        ([FAILURE, FAILURE, None, None, FAILURE], True),  # Three of five.
        ([FAILURE, None, FAILURE], False),  # Two of three, but three are too few.
        ([IGNORE] * 20, False),
        ([OPEN_LONG], True),
    ],
)
def test_opening(history: list[BreakerVerdict | None], opens: bool) -> None:
    """It opens at five failures in a row, at more than half of at least five calls, or at once if told so."""
    breaker = Breaker()
    for verdict in history:
        call(breaker, verdict, 100.0)
    assert (breaker.retry_after_s(100.0) is not None) is opens


def test_old_failures_are_forgotten() -> None:
    """Calls of more than a minute ago count for no share."""
    breaker = Breaker()
    for now_s, verdict in ((0.0, FAILURE), (1.0, FAILURE), (2.0, None), (70.0, None), (71.0, None)):
        call(breaker, verdict, now_s)
    call(breaker, FAILURE, 72.0)
    assert breaker.retry_after_s(72.0) is None


def test_open_time_doubles() -> None:
    """Each failed probe doubles the time, from 5 s up to 20 s; an answer begins anew."""
    now_s, times = 0.0, []
    breaker = opened_at(now_s)
    for _ in range(8):
        wait_s = breaker.retry_after_s(now_s)
        assert wait_s is not None
        times.append(wait_s)
        now_s += wait_s
        call(breaker, FAILURE, now_s)
    assert times == [5.0, 10.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0]
    now_s += 20.0
    call(breaker, None, now_s)
    for _ in range(5):
        call(breaker, FAILURE, now_s)
    assert breaker.retry_after_s(now_s) == 5.0


def test_open_long() -> None:
    """What only an operator can heal opens it for 300 s at once."""
    breaker = Breaker()
    call(breaker, OPEN_LONG, 0.0)
    assert breaker.retry_after_s(0.0) == 300.0


def test_one_probe() -> None:
    """When half open it lets one call through, and no second one until that is over."""
    breaker = opened_at(0.0)
    assert breaker.retry_after_s(4.9) == pytest.approx(0.1)
    assert breaker.retry_after_s(5.0) is None
    era = breaker.admit(5.0)
    assert breaker.retry_after_s(5.0) == 0.0
    breaker.record(era, None, 6.0)
    assert breaker.retry_after_s(6.0) is None


def test_probe_without_news() -> None:
    """A probe that says nothing, because its caller left, makes room for the next one."""
    breaker = opened_at(0.0)
    breaker.record(breaker.admit(5.0), IGNORE, 5.5)
    assert breaker.retry_after_s(5.5) is None
    call(breaker, None, 6.0)
    assert breaker.retry_after_s(6.0) is None


def test_late_news_is_void() -> None:
    """A call that began before the breaker opened neither closes it nor opens it again."""
    breaker = Breaker()
    early = breaker.admit(0.0)
    for _ in range(5):
        call(breaker, FAILURE, 0.0)
    breaker.record(early, None, 1.0)
    assert breaker.retry_after_s(1.0) == 4.0
    probe = breaker.admit(5.0)
    breaker.record(early, FAILURE, 5.0)
    breaker.record(probe, None, 6.0)
    assert breaker.retry_after_s(6.0) is None
