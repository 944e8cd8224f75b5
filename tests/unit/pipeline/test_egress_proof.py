"""The proof that nothing leaves: canaries in private requests, everything broken, and every way out watched.

GATEWAY_EGRESS_CASES says how many cases are drawn (default 2000); `make test-egress` draws 100,000.
"""

import os
import sys
from collections import Counter

import pytest

from gateway.clock import SystemClock
from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.privacy.scorer import DEFAULT_DETECTORS
from tests.support.data_carriers import CARRIERS
from tests.support.draws import examples
from tests.support.egress_bench import play
from tests.support.egress_cases import (
    BY_NUMBER,
    BY_SCORE,
    DATA,
    PLACES,
    SPOTS,
    TEXT,
    a_case,
    a_request,
    directed,
    drawn,
    in_carrier,
)
from tests.support.repository import ROOT
from tests.support.string_carriers import CARRIERS as STRING_CARRIERS
from tests.support.string_carriers import table

DRAWN = int(os.environ.get("GATEWAY_EGRESS_CASES", examples(2000)))
DETECTORS = len(DEFAULT_DETECTORS)


@pytest.mark.parametrize("text", [*DATA.values(), BY_SCORE, BY_NUMBER], ids=[*DATA, "score", "number"])
def test_each_datum_is_private_by_itself(text: str) -> None:
    """What the cases call private is confidential or above; else they would prove nothing."""
    scorer = PrivacyScorer(PrivacyPolicy(), clock=SystemClock())
    assert scorer.score_text(f"{TEXT} {text} {TEXT}").privacy_class >= PrivacyClass.CONFIDENTIAL


@pytest.mark.parametrize("kind", sorted(DATA))
def test_each_datum_is_private_in_every_row_of_data(kind: str) -> None:
    """The same between two numbers in a cell of each kind of file, program and request."""
    scorer = PrivacyScorer(PrivacyPolicy(), clock=SystemClock())
    public = [
        carrier
        for carrier in CARRIERS
        if scorer.score_text(in_carrier(kind, carrier)).privacy_class < PrivacyClass.CONFIDENTIAL
    ]
    assert public == []


def test_the_canaries_by_themselves_are_public() -> None:
    """Without private data the words reach a provider, and the machine sees them there."""
    scorer = PrivacyScorer(PrivacyPolicy(), clock=SystemClock())
    assert scorer.score(a_request("nowhere", (), path="cloud-first")).privacy_class is PrivacyClass.PUBLIC
    counts, _ = play([a_case("nowhere", path="cloud-first")])
    assert counts["public calls at providers"] == 1


def test_texts_to_embed_by_themselves_are_public() -> None:
    """Without private data they go to a provider: nothing else keeps the cases of embeddings home."""
    counts, leaks = play([a_case("embedding", path="cloud-first")])
    assert (counts["public calls at providers"], leaks) == (1, [])


EDGE_ONLY = frozenset({"grammar of the answer"})
"""What no provider takes: the backend refuses it, whatever its class is."""


@pytest.mark.parametrize("spot", sorted(STRING_CARRIERS.keys() - EDGE_ONLY))
def test_each_carrier_by_itself_is_public(spot: str) -> None:
    """Without private data the words go from there to a provider: nothing else keeps the cases home."""
    counts, leaks = play([a_case(spot, path="cloud-first")])
    assert (counts["public calls at providers"], leaks) == (1, [])


def test_a_grammar_goes_to_no_provider() -> None:
    """Only engines at the edge take one, so a request with one is public and stays all the same."""
    counts, leaks = play([a_case("grammar of the answer", path="cloud-first")])
    assert (counts["public calls at providers"], leaks) == (0, [])


def test_the_manual_lists_the_carriers() -> None:
    """As `python -m tests.support.string_carriers` prints them."""
    page = (ROOT / "docs" / "explanations" / "egress.md").read_text(encoding="utf-8")
    assert table() in page


def test_every_place_and_every_fault_once() -> None:
    """Each place, kind, path, fault of a detector, fault of a model and mishap: not a byte comes out."""
    cases = list(directed(DETECTORS))
    assert {case.request.labels["path"] for case in cases} >= {"cloud-first", "masked-first"}
    assert len(PLACES) * 4 + len(SPOTS) < len(cases)
    _expect_nothing(*play(cases))


def test_drawn_cases() -> None:
    """Whatever is drawn from all of them at once: not a byte comes out."""
    counts, leaks = play(drawn(20_261_123, DRAWN, DETECTORS))
    _expect_nothing(counts, leaks)
    assert counts["cases"] == DRAWN
    for what in ("private requests", "public calls at providers", "canned", "cancelled", "answered by edge"):
        assert counts[what] >= DRAWN // 100, what


def _expect_nothing(counts: Counter[str], leaks: list[str]) -> None:
    found = sum(number for what, number in counts.items() if what.startswith("canary"))
    lines = [f"{number:>9,} {what}" for what, number in sorted(counts.items())]
    sys.stdout.write("\n".join(["", *lines, f"{found:>9,} canary bytes found", ""]))
    assert leaks == []
