"""How long the next answer of a model is expected to take."""

from random import Random

import pytest

from gateway.dispatch.latency import FEWEST, MAX_SAMPLES, LatencyTracker
from gateway.domain import samples
from tests.support.fakes import FakeClock


@pytest.mark.parametrize("count", range(FEWEST, MAX_SAMPLES + 1))
def test_the_estimate_is_that_of_all_samples(count: int) -> None:
    """The second longest is what the estimate with lower bounds gives, whichever were cut."""
    rng = Random(count)
    for _ in range(20):
        taken = [float(rng.randint(1, 9)) for _ in range(count)]
        paces = LatencyTracker(FakeClock())
        for each in taken:
            paces.note_whole("m", each, tokens=0, hit_limit=False)
        whole = samples.estimate(samples.BoundedSample(each, rng.random() < 0.5) for each in taken)
        assert whole is not None
        assert paces.finish_s("m", 5) == whole.quantile()
