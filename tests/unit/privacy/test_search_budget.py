"""What a scan may take holds inside of each detector's loop, wherever it runs."""

import sys
from collections.abc import Iterator

import pytest

from benchmarks.privacy_inputs import LARGE
from gateway.clock import Deadline
from gateway.domain.privacy import PrivacyClass
from gateway.domain.text import pattern
from gateway.domain.text.pattern import Pattern, PatternSet, as_data
from gateway.domain.text.search_budget import (
    CANDIDATES_A_LOOK,
    SearchBudget,
    SearchOverTime,
    bounded,
    count_candidate,
    encoded_texts,
    loading,
)
from gateway.policy.model import PrivacyPolicy
from gateway.privacy.detector import Detector, Match
from gateway.privacy.scorer import DEFAULT_DETECTORS, PrivacyScorer
from tests.support.fakes import FakeClock

_DIGIT = Pattern(r"\d")


def over(clock: FakeClock) -> SearchBudget:
    """Return a budget whose time is over."""
    return SearchBudget(Deadline.after(0.0, clock), clock)


class Endless:
    """A detector that finds nothing, and looks at every digit for a millisecond."""

    types = ("PHONE",)

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.seen = 0

    def find(self, text: str) -> Iterator[Match]:
        """Look at each digit."""
        for _ in _DIGIT.places(text):
            self.seen += 1
            self._clock.advance(0.001)
        yield from ()


def test_a_detector_that_finds_nothing_is_ended_in_its_loop() -> None:
    """The verdict is restricted, and few places are looked at once the time is over."""
    clock = FakeClock()
    detector = Endless(clock)
    policy = PrivacyPolicy()
    text = "1 " * 50_000
    judged = PrivacyScorer(policy, clock=clock, detectors=[detector]).score_text(text)
    assert (judged.privacy_class, judged.reason) == (PrivacyClass.RESTRICTED, "detectors over time")
    limit_ms = policy.limit_ms + len(text) / 2048
    assert detector.seen <= limit_ms + CANDIDATES_A_LOOK


@pytest.mark.parametrize("detector", DEFAULT_DETECTORS, ids=lambda each: each.types[0])
def test_each_detector_is_ended_in_its_loop(detector: Detector) -> None:
    """On some text that is dense with what it looks for, each of them meets the bound before its end."""
    ended = []
    for kind, text in LARGE.items():
        try:
            with bounded(over(FakeClock())):
                for _ in detector.find(text):
                    pass
        except SearchOverTime:
            ended.append(kind)
    assert ended


def test_the_bound_is_that_of_its_block() -> None:
    """Outside of it nothing is counted, and a block inside of another has its own."""
    clock = FakeClock()
    with bounded(SearchBudget(Deadline.never(), clock)):
        with bounded(over(clock)), pytest.raises(SearchOverTime):
            list(_DIGIT.places("1" * CANDIDATES_A_LOOK))
        for _ in range(CANDIDATES_A_LOOK):
            count_candidate()
    with bounded(over(clock)):
        pass
    for _ in range(2 * CANDIDATES_A_LOOK):
        count_candidate()


def test_what_is_loaded_once_costs_a_search_no_time() -> None:
    """The first text that needs a table gets that time, and as much to use it; nested loads count once."""
    clock = FakeClock()

    @loading()
    def load() -> None:
        with loading():
            clock.advance(1.0)

    budget = SearchBudget(Deadline.after(0.05, clock), clock)
    with bounded(budget):
        load()
        clock.advance(1.04)
        budget.check()
        clock.advance(0.02)
        with pytest.raises(SearchOverTime):
            budget.check()


@pytest.mark.parametrize("searches", [Pattern("a"), PatternSet(["a"])], ids=["pattern", "set"])
def test_patterns_are_compiled_at_their_first_search(
    searches: Pattern | PatternSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To compile one is no time of the search that needs it."""
    clock = FakeClock()
    options = pattern._options

    def slow(*, ignore_case: bool) -> object:
        clock.advance(1.0)
        return options(ignore_case=ignore_case)

    monkeypatch.setattr(pattern, "_options", slow)
    budget = SearchBudget(Deadline.after(0.05, clock), clock)
    with bounded(budget):
        for _ in range(2):
            assert searches.is_in("a") if isinstance(searches, Pattern) else searches.matching("a")
    assert clock.now_s == 1001.0
    budget.check()


def test_a_text_is_encoded_once_in_a_block_and_forgotten_behind_it() -> None:
    """Detectors of one scan share the work, and nothing of a text stays."""
    text = "order_123 for %20 Jo"
    with bounded(SearchBudget(Deadline.never(), FakeClock())):
        first = as_data(text)
        assert as_data(text) is first
        assert encoded_texts() == {text: first}
    assert encoded_texts() is None
    assert as_data(text) == first


@pytest.mark.parametrize("line", ["A\n\n", "Ab\n\n", "%41\n\n"])
def test_many_paragraphs_are_judged(line: str) -> None:
    """A text of thousands of tiny paragraphs is not restricted for want of time."""
    steps = _calls(PrivacyScorer(PrivacyPolicy(), clock=FakeClock()), (line * 30_000)[:60_000])
    assert steps < 32 * 60_000 / len(line)


def _calls(scorer: PrivacyScorer, text: str) -> int:
    """Return how many functions are called while a text is scored."""
    count = 0

    def seen(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        judged = scorer.score_text(text)
    finally:
        sys.setprofile(None)
    assert judged.reason == "nothing found"
    return count
