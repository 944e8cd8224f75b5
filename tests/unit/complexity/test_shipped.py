"""The scorer that ships is the one that its card describes; a toy is trained by the same code."""

import re
from hashlib import sha256
from importlib.resources import files

import numpy as np

from gateway.complexity.complexity import features_of, shipped_scorer
from gateway.domain.conversation import Message, Role
from gateway.offline.ranking import apgr
from training.complexity.heads import fit
from training.complexity.train import hand_head

FOLDER = files("gateway.complexity").joinpath("shipped")
CARD = FOLDER.joinpath("CARD.md").read_text("utf-8")


def test_the_card_tells_the_files_as_they_are() -> None:
    """Size and hash of each file are those of the card, and together they stay below 4 MB."""
    rows = re.findall(r"^\| `(\S+)` \| (\d+) \| `([0-9a-f]{64})` \|$", CARD, re.MULTILINE)
    assert [name for name, _, _ in rows] == ["words.npz", "scorer.json"]
    for name, size, digest in rows:
        data = FOLDER.joinpath(name).read_bytes()
        assert (str(len(data)), sha256(data).hexdigest()) == (size, digest)
    assert sum(int(size) for _, size, _ in rows) < 4_000_000


def test_the_licence_of_the_word_vectors_ships() -> None:
    """What the table was derived from is named, with its licence."""
    assert "all-MiniLM-L6-v2" in CARD
    assert "Apache License" in FOLDER.joinpath("LICENSE-all-MiniLM-L6-v2.txt").read_text("utf-8")


def test_a_toy_is_learned() -> None:
    """The trainer finds what makes a prompt gain, on prompts that it has not seen."""
    easy = [f"What is the capital of country number {n}?" for n in range(60)]
    hard = [f"Prove that every matrix of order {n} with property {n + 1} is singular." for n in range(60)]
    prompts = [prompt for pair in zip(easy, hard, strict=True) for prompt in pair]
    gains = np.array([0.0, 1.0] * 60)
    features = np.array([features_of([Message(role=Role.USER, content=prompt)]) for prompt in prompts])
    head = fit(features[:80], gains[:80], np.array(["toy"] * 80), hand_head())
    assert apgr(features[80:] @ head.weights, gains[80:]) > 0.7
    assert not shipped_scorer().is_calibrated
