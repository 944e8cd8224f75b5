"""The fit of a calibration: what it finds in outcomes that were made by a known rule, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.backends.confidence import Signals, confidence
from gateway.offline.confidence_fit import ConfidenceOutcome, auroc, calibration_error, compare_signals, fit
from gateway.policy.escalation import Calibration


def outcomes(count: int, *, logit: float = 2.0) -> list[ConfidenceOutcome]:
    """Return answers that are right with a probability that two of the four signals tell."""
    dice = np.random.default_rng(7)
    made = []
    for _ in range(count):
        mean, margin, entropy, prompt_margin = dice.normal(size=4)
        chance = 1 / (1 + np.exp(-logit * mean - entropy))
        signals = Signals(
            mean_logprob=mean - 2,
            least_margin=margin,
            prompt_entropy=3 * entropy,
            prompt_margin=prompt_margin,
        )
        made.append(ConfidenceOutcome(signals=signals, is_right=bool(dice.random() < chance)))
    return made


def test_it_finds_the_rule() -> None:
    """Coefficients on the signals as they are, near those that made the outcomes."""
    found = fit(outcomes(4000))

    assert found.mean_logprob == pytest.approx(2.0, abs=0.2)
    assert found.prompt_entropy == pytest.approx(1 / 3, abs=0.05)
    assert abs(found.least_margin) < 0.1
    assert abs(found.prompt_margin) < 0.1
    assert found.intercept == pytest.approx(4.0, abs=0.4)
    assert found.auroc > found.auroc_uncalibrated > 0.8
    assert found.calibration_error < 0.04


def test_what_it_fits_is_what_the_gateway_computes() -> None:
    """The confidence by the fitted calibration is the share of right answers, on new ones."""
    found = fit(outcomes(2000))
    calibration = Calibration(
        model_sha256="a" * 64,
        template_sha256="b" * 64,
        intercept=found.intercept,
        mean_logprob=found.mean_logprob,
        least_margin=found.least_margin,
        prompt_entropy=found.prompt_entropy,
        prompt_margin=found.prompt_margin,
    )
    fresh = outcomes(6000)[2000:]
    sure = np.array([confidence(each.signals, calibration) for each in fresh])
    right = np.array([float(each.is_right) for each in fresh])

    assert calibration_error(sure, right) < 0.04
    assert right[sure > 0.9].mean() > 0.9
    assert right[sure < 0.1].mean() < 0.1


@pytest.mark.parametrize(
    ("right", "wrong", "said"), [(9, 50, "9 right"), (50, 9, "9 wrong"), (0, 0, "0 right")]
)
def test_too_little_is_refused(right: int, wrong: int, said: str) -> None:
    """Ten of each kind are needed."""
    signals = Signals(mean_logprob=-1, least_margin=1, prompt_entropy=1, prompt_margin=1)
    made = [ConfidenceOutcome(signals=signals, is_right=n < right) for n in range(right + wrong)]

    with pytest.raises(ValueError, match=said):
        fit(made)


def test_signals_that_do_not_vary() -> None:
    """Say nothing: the confidence is the share of right answers."""
    signals = Signals(mean_logprob=-1, least_margin=1, prompt_entropy=1, prompt_margin=1)
    found = fit([ConfidenceOutcome(signals=signals, is_right=n % 4 > 0) for n in range(80)])

    assert found.auroc == pytest.approx(0.5, abs=0.1)
    assert (found.mean_logprob, found.least_margin) == (0.0, 0.0)


def test_auroc() -> None:
    """Pairs in the right order; a tie is half of one."""
    right = np.array([1.0, 0.0, 1.0, 0.0])

    assert auroc(np.array([0.9, 0.1, 0.8, 0.2]), right) == 1.0
    assert auroc(np.array([0.1, 0.9, 0.2, 0.8]), right) == 0.0
    assert auroc(np.array([0.5, 0.5, 0.5, 0.5]), right) == 0.5


def test_what_samples_add_is_measured_beside_the_logits() -> None:
    """Where agreement tells right from wrong and the logits do not, both together tell it too."""
    dice = np.random.default_rng(4)
    outcomes = [
        ConfidenceOutcome(
            signals=Signals(**dict.fromkeys(Signals.__slots__, float(dice.normal()))),
            is_right=bool(number % 2),
            agreement=1.0 if number % 2 or number % 8 == 0 else 1 / 3,
            sample_tokens=20,
        )
        for number in range(200)
    ]
    found = compare_signals(outcomes)
    assert found is not None
    assert (found.answers, found.sample_tokens) == (200, 20.0)
    assert found.logits < 0.65 < 0.8 < min(found.agreement, found.both)
    assert compare_signals([replace(each, agreement=None) for each in outcomes]) is None
