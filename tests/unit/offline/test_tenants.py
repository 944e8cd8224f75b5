"""What one tenant's outcomes may do to the scorer of everybody, and what an operator is told of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.app import run
from gateway.complexity.complexity import shipped_scorer
from gateway.offline.learning import Learned, learn
from gateway.offline.outcomes import QualityOutcome, gains_of
from gateway.offline.ranking import apgr
from gateway.offline.tenant_shares import JUDGED_FROM, counts_of, fold_of_each
from gateway.policy.complexity import Scorer

SIZE = len(shipped_scorer().weights)
ALONG = 30


def requests(rows: int, dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return features, and gains that depend on one of them and on dice."""
    features = dice.normal(size=(rows, SIZE)) / np.sqrt(SIZE / 2)
    chance = 1.0 / (1.0 + np.exp(-12.0 * features[:, ALONG]))
    return features, (dice.random(rows) < chance).astype(float)


def good_base() -> Scorer:
    """Return a scorer that ranks these requests well."""
    weights = np.zeros(SIZE)
    weights[ALONG] = 1.0
    return Scorer(weights=tuple(weights), intercept=0.0, slope=1.0, sha256="")


def attacked(liar: int, others: list[int], *, seed: int) -> Learned:
    """Learn from one tenant that says the opposite of what is so, and from some that do not."""
    dice = np.random.default_rng(seed)
    features, gains = requests(liar + sum(others), dice)
    gains[:liar] = 1.0 - gains[:liar]
    names = ["liar"] * liar + [f"t{n}" for n, rows in enumerate(others) for _ in range(rows)]
    return learn(features, gains, good_base(), tenants=names)


@pytest.mark.parametrize(("liar", "others", "seed"), [(500, [55, 80], 1), (400, [60], 2)])
def test_a_tenant_that_turns_the_scorer_round_is_found(liar: int, others: list[int], seed: int) -> None:
    """Either the others are served as well as before, on later traffic, or the report says worse."""
    learned = attacked(liar, others, seed=seed)
    later, then = requests(4000, np.random.default_rng(seed + 1000))
    before, after = apgr(later @ np.array(good_base().weights), then), apgr(later @ learned.weights, then)
    named = {each.tenant for each in learned.tenants if each.is_worse}
    assert after > before - 0.1 or named & {f"t{n}" for n in range(len(others))}


def test_who_moved_it_is_said() -> None:
    """Most of the move is gone without the liar's outcomes, which count by the root of their number."""
    learned = attacked(900, [60, 60], seed=1)
    liar, *others = learned.tenants
    assert (liar.tenant, liar.outcomes) == ("liar", 900)
    assert liar.weight == pytest.approx(30 / (30 + 2 * np.sqrt(60)))
    assert liar.move is not None
    assert liar.move > 0.8
    assert all(each.is_worse for each in others)
    assert liar.after > liar.before


def test_one_liar_among_many_moves_little() -> None:
    """With more outcomes than eight honest tenants together it does not turn the scorer round."""
    learned = attacked(600, [60] * 8, seed=3)
    later, then = requests(4000, np.random.default_rng(77))
    assert apgr(later @ learned.weights, then) > 0.6


def test_honest_tenants_are_learned_from_as_before() -> None:
    """Several tenants that agree give what one gives, and none is said to be served worse."""
    features, gains = requests(600, np.random.default_rng(5))
    names = [f"t{n % 4}" for n in range(600)]
    alone, several = (learn(features, gains, shipped_scorer(), tenants=each) for each in ([], names))
    later, then = requests(4000, np.random.default_rng(6))
    scores = [apgr(later @ each.weights, then) for each in (alone, several)]
    assert scores[1] == pytest.approx(scores[0], abs=0.02)
    assert not alone.is_chance
    assert not several.is_chance
    assert not any(each.is_worse for each in several.tenants)


@pytest.mark.parametrize("seed", range(2))
def test_dice_are_not_called_a_scorer(seed: int) -> None:
    """Outcomes that nothing foretells give a scorer at chance, and it says so."""
    dice = np.random.default_rng(seed)
    features, _ = requests(200, dice)
    assert learn(features, dice.integers(0, 2, 200).astype(float), shipped_scorer()).is_chance


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8), seed=st.integers(0, 9))
def test_every_fold_has_its_part_of_every_tenant(sizes: list[int], seed: int) -> None:
    """No fold has more of a tenant than any other by more than one; weights are 1 on average."""
    names = np.random.default_rng(seed).permutation(
        [f"t{n}" for n, size in enumerate(sizes) for _ in range(size)]
    )
    folds = fold_of_each(names, 5, np.random.default_rng(seed))
    for name in set(names):
        parts = np.bincount(folds[names == name], minlength=5)
        assert parts.max() - parts.min() <= 1
    assert counts_of(names).mean() == pytest.approx(1.0)


def test_nobodys_ratings_change_what_anothers_are_worth() -> None:
    """An answer that a tenant did not rate counts as its own average, not as that of all."""
    own = [
        QualityOutcome(features=(), weak=0.5, strong=None, tenant="a"),
        QualityOutcome(features=(), weak=None, strong=0.9, tenant="a"),
    ]
    loud = [QualityOutcome(features=(), weak=1.0, strong=0.0, tenant="b")] * 50
    assert list(gains_of([*own, *loud])[:2]) == list(gains_of(own)) == pytest.approx([0.4, 0.4])


def outcome_lines(learned_from: list[tuple[str, int, bool]], path: Path) -> Path:
    """Write outcomes of tenants: name, count, and whether it tells the truth."""
    dice = np.random.default_rng(11)
    with path.open("w") as file:
        for tenant, rows, is_honest in learned_from:
            features, gains = requests(rows, dice)
            for row, gain in zip(features, gains if is_honest else 1.0 - gains, strict=True):
                line = {"features": list(row), "weak": 1.0 - gain, "strong": 1.0, "tenant": tenant}
                file.write(json.dumps(line) + "\n")
    return path


def test_what_is_worse_for_a_tenant_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table says who moved it, the error which tenant loses; --accept writes it all the same."""
    good = tmp_path / "good.json"
    honest = outcome_lines([("a", 400, True)], tmp_path / "honest.jsonl")
    assert run(["learn", "--outcomes", str(honest), "--output", str(good)]) == 0
    turned = outcome_lines([("liar", 900, False), ("b", JUDGED_FROM + 20, True)], tmp_path / "turned.jsonl")
    output = tmp_path / "turned.json"
    flags = ["learn", "--outcomes", str(turned), "--base", str(good), "--output", str(output)]
    capsys.readouterr()
    assert run(flags) == 1
    said = capsys.readouterr()
    assert not output.exists()
    assert [line.split()[:2] for line in said.out.splitlines() if line.startswith(("liar", "b "))] == [
        ["liar", "900"],
        ["b", "70"],
    ]
    assert "written" not in said.out
    assert "nothing was written: for tenant b it is worse than the old scorer" in said.err
    assert run([*flags, "--json"]) == 1
    fields = json.loads(capsys.readouterr().out)
    assert (fields["written"], [each["is_worse"] for each in fields["tenants"]]) == (False, [False, True])
    assert run([*flags, "--accept"]) == 0
    assert output.exists()


def test_a_scorer_at_chance_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be told from dice is not called good."""
    dice = np.random.default_rng(2)
    rows = [{"features": list(row), "weak": int(dice.integers(0, 2))} for row in requests(120, dice)[0]]
    path, output = tmp_path / "o.jsonl", tmp_path / "s.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["learn", "--outcomes", str(path), "--output", str(output)]) == 1
    assert (
        "nothing was written: on held-out outcomes it is no better than chance (APGR"
        in capsys.readouterr().err
    )
    assert not output.exists()
