"""How sure a model is: the signals of its first tokens, and what they say."""

import math

import pytest

from gateway.backends.confidence import Signals, confidence, signals_of
from gateway.domain.answer import TokenConfidence
from gateway.policy.escalation import Calibration

SURE = TokenConfidence(logprob=-0.1, margin=4.0, entropy=0.3)
UNSURE = TokenConfidence(logprob=-2.5, margin=0.1, entropy=3.0)
NOTHING = Signals(mean_logprob=0.0, least_margin=0.0, prompt_entropy=0.0, prompt_margin=0.0)


def a_calibration(**coefficients: float) -> Calibration:
    """Return a calibration that ignores all signals but those named."""
    zeros = dict.fromkeys(
        ("intercept", "mean_logprob", "least_margin", "prompt_entropy", "prompt_margin"), 0.0
    )
    return Calibration(model_sha256="a" * 64, template_sha256="b" * 64, **(zeros | coefficients))


def test_signals() -> None:
    """The prompt's are those of the first token; the margin that counts is the least."""
    found = signals_of([SURE, UNSURE])

    assert found == Signals(mean_logprob=-1.3, least_margin=0.1, prompt_entropy=0.3, prompt_margin=4.0)


def test_without_a_calibration_it_is_the_mean_probability() -> None:
    """The geometric mean of what the tokens had."""
    assert confidence(signals_of([SURE, UNSURE]), None) == pytest.approx(math.exp(-1.3))
    assert confidence(signals_of([SURE]), None) > confidence(signals_of([UNSURE]), None)


@pytest.mark.parametrize(
    ("signal", "value"),
    [("mean_logprob", -2.0), ("least_margin", 1.5), ("prompt_entropy", 2.0), ("prompt_margin", 0.5)],
)
def test_each_signal_has_its_coefficient(signal: str, value: float) -> None:
    """A logistic function of them all."""
    signals = Signals(**(dict.fromkeys(NOTHING.__slots__, 0.0) | {signal: value}))

    found = confidence(signals, a_calibration(intercept=0.5, **{signal: 0.7}))

    assert found == pytest.approx(1 / (1 + math.exp(-(0.5 + 0.7 * value))))


@pytest.mark.parametrize("intercept", [-1000.0, 1000.0])
def test_extremes_stay_probabilities(intercept: float) -> None:
    """No overflow, whatever a calibration holds."""
    assert 0.0 <= confidence(NOTHING, a_calibration(intercept=intercept)) <= 1.0
