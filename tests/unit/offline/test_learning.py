"""What a scorer learns from outcomes, and what it leaves alone."""

import numpy as np
import pytest

from gateway.complexity.complexity import complexity_of, shipped_scorer
from gateway.complexity.scorer_file import ScorerRefused, parse_scorer, write_scorer
from gateway.offline.learning import TooFewOutcomes, learn, logistic
from gateway.offline.ranking import apgr, calibration_error
from gateway.policy.complexity import Scorer

SIZE = len(shipped_scorer().weights)
PRIOR = np.array(shipped_scorer().weights)


def traffic(rows: int, *, along: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return features, and gains that depend on one of them and on dice."""
    dice = np.random.default_rng(seed)
    features = dice.normal(size=(rows, SIZE)) / np.sqrt(SIZE / 2)
    chance = 1.0 / (1.0 + np.exp(-12.0 * features[:, along]))
    return features, (dice.random(rows) < chance).astype(float)


def test_what_the_traffic_shows_is_learned() -> None:
    """500 outcomes that one feature decides beat the shipped weights on later ones, as was foretold."""
    features, gains = traffic(2000, along=30)
    learned = learn(features[:500], gains[:500], shipped_scorer())
    later = features[500:]
    after = apgr(later @ learned.weights, gains[500:])
    assert learned.is_moved
    assert after > apgr(later @ PRIOR, gains[500:]) + 0.05
    assert learned.after[1] - 0.03 < after < learned.after[2] + 0.03
    scorer = Scorer(
        weights=tuple(learned.weights), intercept=learned.intercept, slope=learned.slope, sha256=""
    )
    scores = np.array([complexity_of(row, scorer) for row in later])
    assert calibration_error(scores, gains[500:]) < 0.06


def test_a_good_scorer_is_not_lost() -> None:
    """Where the base foretells the outcomes already, learning from 100 of them costs little."""
    features, gains = traffic(2100, along=0, seed=2)
    good = np.zeros(SIZE)
    good[0] = 2.0
    base = Scorer(weights=tuple(good), intercept=0.0, slope=1.0, sha256="")
    learned = learn(features[:100], gains[:100], base)
    later, then = features[100:], gains[100:]
    assert apgr(later @ learned.weights, then) > apgr(later @ good, then) - 0.02


def test_a_probability_is_what_happens() -> None:
    """The logistic curve gives back the share that it was fitted to, at every level."""
    dice = np.random.default_rng(5)
    values = dice.normal(size=20_000)
    truths = (dice.random(20_000) < 1.0 / (1.0 + np.exp(-(0.5 + 2.0 * values)))).astype(float)
    intercept, slope = logistic(values, truths)
    assert (intercept, slope) == pytest.approx((0.5, 2.0), abs=0.1)


@pytest.mark.parametrize(
    ("rows", "gains", "said"),
    [(19, [0.0, 1.0], "at least 20"), (40, [1.0, 1.0], "all outcomes are alike")],
)
def test_too_little_is_refused(rows: int, gains: list[float], said: str) -> None:
    """From a handful of outcomes, or from outcomes that are all the same, nothing is learned."""
    features, _ = traffic(rows, along=0)
    with pytest.raises(TooFewOutcomes, match=said):
        learn(features, np.resize(np.array(gains), rows), shipped_scorer())


def test_a_scorer_survives_its_file() -> None:
    """What is written is read back; another feature set, size or number is refused."""
    text = write_scorer(weights=tuple(PRIOR), intercept=0.1, slope=2.0, is_calibrated=True, notes={})
    scorer = parse_scorer(text)
    assert scorer.weights == pytest.approx(shipped_scorer().weights, abs=1e-6)
    assert scorer.is_calibrated
    for broken, said in (
        (text.replace('"features": "', '"features": "0'), "features of another version"),
        (text.replace('"slope": 2.0', '"slope": -2.0'), "slope above 0"),
        (text.replace('"format": 1', '"format": 9'), "no scorer of format 1"),
        ("{", "is not JSON"),
    ):
        with pytest.raises(ScorerRefused, match=said):
            parse_scorer(broken)


def test_apgr_is_routellms() -> None:
    """The best order gets most, the worst least, ties and a constant score are chance."""
    gains = np.array([1.0, 1.0, 0.0, 0.0])
    assert apgr(np.array([4.0, 3.0, 2.0, 1.0]), gains) == 0.75
    assert apgr(np.array([1.0, 2.0, 3.0, 4.0]), gains) == 0.25
    assert apgr(np.zeros(4), gains) == 0.5
