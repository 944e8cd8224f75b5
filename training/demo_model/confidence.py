"""What the logits of the embedded model are worth: a section of `python -m benchmarks.routing DATA`.

Three sorts of prompts that its training never showed: questions of the kinds that it knows, questions that it
does not know, and prompts of strangers (DATA). One half of each calibrates its confidence and trains a
scorer; all figures are of the other half. An answer of the embedded model is worth 1 where it is the wanted
sentence, else 0; one of the cloud is taken to be worth 1. So a share that is sent to the cloud has a quality,
whoever chooses it.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.backends.confidence import confidence
from gateway.complexity.complexity import features_of, shipped_scorer
from gateway.domain.conversation import Message, Role
from gateway.offline.confidence_fit import ConfidenceOutcome, auroc, fit
from gateway.offline.learning import learn
from gateway.offline.model_probe import ProbeAnswer
from gateway.offline.ranking import apgr
from gateway.policy.escalation import Calibration
from training.demo_model.exam import Asked, draw_exam, replies
from training.demo_model.questions import Question

Floats = NDArray[np.float64]
KNOWN, UNKNOWN, STRANGERS = "known", "not known", "of strangers"
SHARES = tuple(i / 20 for i in range(21))
FIRST_PARTS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""How much of a share the scorer sends before anything is asked; the probe sends the rest."""
AS_GOOD = 0.005
"""Quality that is given up for drafts that are never begun, on the half that calibrates."""
OF_EACH, MOST_STRANGERS, LONGEST = 30, 600, 1000
SEEDS = (101, 102)
NOT_KNOWN = "does not know"


class Prompts(NamedTuple):
    """One half: of each prompt its sort, features, and what the embedded model's answer was worth."""

    sorts: NDArray[np.str_]
    features: Floats
    right: Floats
    heard: list[ProbeAnswer]


class Ranks(NamedTuple):
    """By whom a prompt is sent first: the higher, the sooner."""

    scorer: Floats
    learned: Floats
    probe: Floats


class Measured(NamedTuple):
    """The tables of this section."""

    prompts: dict[str, int]
    aurocs: dict[str, dict[str, float]]
    curves: dict[str, list[float]]
    """Quality of the whole for each of SHARES, by who chooses."""
    apgrs: dict[str, float]
    drafts: list[float]
    """The share of requests whose draft is dropped by the combination, for each of SHARES.

    By the probe alone it is the share that is sent.
    """


def measure(strangers: Sequence[str]) -> Measured:
    """Ask the embedded model everything, and return the tables."""
    first, second = _halves(strangers)
    calibration = _calibration(first)
    before, after = (_ranks(first, half, calibration) for half in (first, second))
    curves = _curves(second, after)
    parts = [_part(first, before, share) for share in SHARES]
    curves["combined"] = [
        quality(second.right, _combined(after, share, part))
        for share, part in zip(SHARES, parts, strict=True)
    ]
    gains = 1.0 - second.right
    return Measured(
        prompts={sort: int((second.sorts == sort).sum()) for sort in (KNOWN, UNKNOWN, STRANGERS)},
        aurocs=_aurocs(second, after.probe),
        curves=curves,
        apgrs={
            "scorer": apgr(after.scorer, gains),
            "learned scorer": apgr(after.learned, gains),
            "probe": apgr(after.probe, gains),
            "combined": _area(curves["combined"], curves["random"]),
        },
        drafts=[share * (1.0 - part) for share, part in zip(SHARES, parts, strict=True)],
    )


def _halves(strangers: Sequence[str]) -> tuple[Prompts, Prompts]:
    """Return what calibrates and what is measured; no prompt is in both."""
    chosen = random.Random(SEEDS[0]).sample(
        [each for each in dict.fromkeys(strangers) if len(each) <= LONGEST], 2 * MOST_STRANGERS
    )
    seen: set[str] = set()
    halves = []
    for seed, foreign in zip(SEEDS, (chosen[::2], chosen[1::2]), strict=True):
        exam = [each for each in _drawn(seed) if each.question.messages[-1][1] not in seen]
        seen |= {each.question.messages[-1][1] for each in exam}
        halves.append(_asked(exam, foreign))
    return halves[0], halves[1]


def _drawn(seed: int) -> list[Asked]:
    exam = draw_exam(OF_EACH, seed=seed)
    known = [each for each in exam if not each.question.kind.startswith(NOT_KNOWN)]
    many = draw_exam(len(known) // 8, seed=seed + 1000)
    return known + [each for each in many if each.question.kind.startswith(NOT_KNOWN)]


def _asked(exam: Sequence[Asked], strangers: Sequence[str]) -> Prompts:
    foreign = [
        Question(kind=STRANGERS, messages=(("user", text),), answer="", is_unknown=True) for text in strangers
    ]
    questions = [*(each.question for each in exam), *foreign]
    heard = asyncio.run(replies("builtin:demo", questions))
    sorts = [UNKNOWN if each.question.kind.startswith(NOT_KNOWN) else KNOWN for each in exam]
    right = [
        float(not each.question.is_unknown and each.is_right(reply.text))
        for each, reply in zip(exam, heard, strict=False)  # Those of strangers have no right answer here.
    ]
    features = [features_of([Message(role=Role.USER, content=each.messages[-1][1])]) for each in questions]
    return Prompts(
        sorts=np.array(sorts + [STRANGERS] * len(foreign)),
        features=np.array(features),
        right=np.array(right + [0.0] * len(foreign)),
        heard=heard,
    )


def _calibration(half: Prompts) -> Calibration:
    found = fit(
        [
            ConfidenceOutcome(signals=heard.signals, is_right=bool(right))
            for heard, right in zip(half.heard, half.right, strict=True)
            if heard.signals is not None
        ]
    )
    keys = ("intercept", "mean_logprob", "least_margin", "prompt_entropy", "prompt_margin")
    coefficients = {key: asdict(found)[key] for key in keys}
    return Calibration(model_sha256="0" * 64, template_sha256="0" * 64, **coefficients)


def _ranks(taught: Prompts, half: Prompts, calibration: Calibration) -> Ranks:
    shipped = shipped_scorer()
    learned = learn(taught.features, 1.0 - taught.right, shipped)
    sure = [0.0 if heard.signals is None else confidence(heard.signals, calibration) for heard in half.heard]
    return Ranks(
        scorer=half.features @ np.array(shipped.weights),
        learned=half.features @ np.array(learned.weights),
        probe=1.0 - np.array(sure),
    )


def _aurocs(half: Prompts, unsure: Floats) -> dict[str, dict[str, float]]:
    """Return how well confidence tells the known from the rest, and right answers from wrong ones."""
    alone = np.array([0.0 if each.signals is None else each.signals.mean_logprob for each in half.heard])
    found = {}
    for sort in (UNKNOWN, STRANGERS):
        of = np.isin(half.sorts, (KNOWN, sort))
        is_known = (half.sorts[of] == KNOWN).astype(float)
        found[f"known against {sort}"] = {
            "calibrated": auroc(1.0 - unsure[of], is_known),
            "mean log-probability": auroc(alone[of], is_known),
        }
    of = half.sorts == KNOWN
    found["right against wrong, of the known"] = {
        "calibrated": auroc(1.0 - unsure[of], half.right[of]),
        "mean log-probability": auroc(alone[of], half.right[of]),
    }
    return found


def _part(half: Prompts, ranks: Ranks, share: float) -> float:
    """Return the largest part that the scorer may send with about the best quality."""
    found = {part: quality(half.right, _combined(ranks, share, part)) for part in FIRST_PARTS}
    best = max(found.values())
    return max(part for part, value in found.items() if value >= best - AS_GOOD)


def _curves(second: Prompts, after: Ranks) -> dict[str, list[float]]:
    local = float(second.right.mean())
    return {
        "random": [local + share * (1.0 - local) for share in SHARES],
        "scorer": [quality(second.right, sent_by(after.scorer, share)) for share in SHARES],
        "learned scorer": [quality(second.right, sent_by(after.learned, share)) for share in SHARES],
        "probe": [quality(second.right, sent_by(after.probe, share)) for share in SHARES],
    }


def sent_by(ranks: Floats, share: float) -> NDArray[np.bool_]:
    """Return which prompts go to the cloud: a share of them, the highest ranks first."""
    sent = np.zeros(len(ranks), dtype=bool)
    sent[np.argsort(-ranks, kind="stable")[: round(share * len(ranks))]] = True
    return sent


def _combined(ranks: Ranks, share: float, part: float) -> NDArray[np.bool_]:
    """Return which prompts go to the cloud: a part of the share by the scorer, the rest by the probe."""
    by_scorer = sent_by(ranks.learned, share * part)
    rest = np.where(by_scorer, -np.inf, ranks.probe)
    count = round(share * len(rest)) - int(by_scorer.sum())
    by_scorer[np.argsort(-rest, kind="stable")[:count]] = True
    return by_scorer


def quality(right: Floats, sent: NDArray[np.bool_]) -> float:
    """Return the quality of the whole: of what was sent 1, of the rest what the local answers are worth."""
    return float(np.where(sent, 1.0, right).mean())


def _area(curve: Sequence[float], straight: Sequence[float]) -> float:
    """Return the gap recovered on average: 0.5 on the straight line."""
    low, high = straight[0], straight[-1]
    steps = (np.array(curve) - low) / (high - low)
    return float((steps[1:] + steps[:-1]).mean() / 2)


def print_tables(found: Measured) -> None:
    """Print the tables of this section."""
    counts = ", ".join(f"{count} {sort}" for sort, count in found.prompts.items())
    print(f"confidence of the embedded model; prompts: {counts}")
    print(f"{'AUROC':36}{'calibrated':>12}{'by mean log-probability':>26}")
    for name, values in found.aurocs.items():
        print(f"{name:36}{values['calibrated']:12.3f}{values['mean log-probability']:26.3f}")
    print("\nquality by share sent to the cloud")
    print(f"{'share':>6}" + "".join(f"{name:>16}" for name in found.curves) + f"{'its drafts':>12}")
    for i, share in enumerate(SHARES):
        if i % 2 == 0:
            print(
                f"{share:6.0%}"
                + "".join(f"{curve[i]:16.3f}" for curve in found.curves.values())
                + f"{found.drafts[i]:12.0%}"
            )
    print(f"{'APGR':>6}{0.5:16.3f}" + "".join(f"{value:16.3f}" for value in found.apgrs.values()))


def plot(found: Measured, path: Path) -> None:
    """Draw quality by share, as SVG; needs the extra `plots`."""
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "routing", "font.size": 11}
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for (name, curve), style in zip(found.curves.items(), (":", "--", "-.", "-", "-"), strict=True):
        axes.plot([100 * share for share in SHARES], curve, style, label=name)
    axes.set(xlabel="sent to the cloud, %", ylabel="quality of all answers", xlim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
