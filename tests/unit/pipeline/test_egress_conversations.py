"""The proof that nothing leaves, for conversations that are trimmed, edited, lost or restarted."""

import os
import sys
from collections import Counter

from tests.support.draws import examples
from tests.support.egress_conversations import directed, drawn, long_one, play

DRAWN = int(os.environ.get("GATEWAY_EGRESS_CASES", examples(2000))) // 20


def test_each_way_to_forget_a_private_turn() -> None:
    """By id or by our answers, with two processes: no model is sent what an earlier turn kept from it."""
    counts = expect_nothing(*play(directed()))
    assert counts["turns of a class from before"] > 10


def test_what_is_shortened_is_not_forgotten() -> None:
    """A private turn that is left out of what models are sent keeps them out all the same."""
    counts = expect_nothing(*play([long_one()]))
    assert counts["turns that are shortened"] > 0


def test_drawn_conversations() -> None:
    """Whatever is drawn from all of them together; and clouds are asked wherever nothing keeps them out."""
    counts = expect_nothing(*play(drawn(20_261_129, DRAWN)))
    for model in ("cloud", "masking", "edge"):
        assert model == "edge" or counts[f"calls of {model}"] > DRAWN // 10, model


def expect_nothing(counts: Counter[str], leaks: list[str]) -> Counter[str]:
    """Print what happened; nothing may have come out."""
    lines = [f"{number:>9,} {what}" for what, number in sorted(counts.items())]
    sys.stdout.write("\n".join(["", *lines, f"{len(leaks):>9,} leaks", ""]))
    assert leaks == []
    return counts
