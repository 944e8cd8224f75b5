"""A masked conversation: a turn is judged as if all were read, and of earlier turns nothing is read again."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.conversation import Message, Role, Tool
from gateway.domain.decision import Masked
from gateway.domain.privacy import Entities
from gateway.domain.request import GenerationConfig, Request
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.privacy import PrivacyScorer
from gateway.privacy.detector import Match
from gateway.privacy.masking import known_masks
from gateway.privacy.masking.known_masks import PIECE_CHARS, SHARED_CHARS, KnownMasks, pieces_of
from gateway.privacy.masking.masker import Masker
from gateway.privacy.masking.spelling import Value, is_spelled_in
from gateway.privacy.scorer import DEFAULT_DETECTORS, scanned_strings
from gateway.privacy.summary_cache import SummaryCache
from tests.support.fakes import FakeClock
from tests.support.masking_requests import MAIL
from tests.support.masking_requests import POLICY as MASKING

OTHER = parse_policy(MASKING.effective_yaml.replace("PERSON: 0.6", "PERSON: 0.61"), name="other")
OFFICE = "The office opens at nine and closes at five, as it always did."
SPELLED = "The folder janeroe2 is full again."
SAID = (
    f"Write to {MAIL}.",
    SPELLED,
    OFFICE,
    "bob.lee@example.net",
    "host 10.1.2.3",
    "What is your SSN?",
    "219-09-9999",
    OFFICE * 200,
)


class Reads:
    """A detector that notes what it reads."""

    types = ("NRP",)

    def __init__(self) -> None:
        self.texts: list[str] = []

    def find(self, text: str) -> Iterable[Match]:
        """Find nothing."""
        self.texts.append(text)
        return ()


class Turns:
    """Judges the turns of conversations as a process does."""

    def __init__(self, policy: Policy = MASKING, known: KnownMasks | None = None) -> None:
        self.reads = Reads()
        detectors = (*DEFAULT_DETECTORS, self.reads)
        self.policy = policy
        self._scorer = PrivacyScorer(policy.privacy, clock=FakeClock(), detectors=detectors, value_key=b"k")
        self._masker = Masker(
            policy, clock=FakeClock(), detectors=detectors, value_key=b"k", known=known or KnownMasks()
        )
        self._summaries = SummaryCache()

    def take(self, request: Request) -> dict[str, Masked]:
        """Return how models that need a mask would see a turn."""
        seen = self._summaries.look_up(request, self.policy.hash)
        scan = self._scorer.scan(seen.strings, seen.known, is_cached=True)
        self._summaries.keep(seen, scan.summaries)
        privacy = self._scorer.assessment(request, seen.strings, scan)
        self.reads.texts.clear()
        masks = self._masker.masks(request, privacy, Entities(), seen.strings, scan)
        return {name: mask.applied_to(request) for name, mask in masks.items()}


def said(*texts: str, tenant: str = "acme") -> Request:
    """Return a conversation of a user and a model, the user first."""
    roles = (Role.USER, Role.ASSISTANT)
    messages = tuple(Message(role=roles[at % 2], content=text) for at, text in enumerate(texts))
    tools = (Tool(name="send", description="Sends a letter."),)
    return Request(request_id="r", tenant=tenant, messages=messages, config=GenerationConfig(tools=tools))


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Sequence[Value]]]:
    """Return what is searched for values that remain, and for which."""
    calls: list[tuple[str, Sequence[Value]]] = []

    def noted(text: str, values: Sequence[Value]) -> bool:
        calls.append((text, values))
        return is_spelled_in(text, values)

    monkeypatch.setattr(known_masks, "is_spelled_in", noted)
    return calls


def long_talk(turns: int) -> list[str]:
    """Return a conversation of several pieces, whose first text is private."""
    return [f"Write to {MAIL}.", *(f"{turn}: {OFFICE * 20}" for turn in range(2 * turns))]


def test_a_turn_reads_its_new_text(searched: list[tuple[str, Sequence[Value]]]) -> None:
    """Neither detectors nor the search for what remains read a masked text a second time."""
    texts, turns = long_talk(12), Turns()
    assert turns.take(said(*texts[:-2]))["cloud"].values
    assert any("<EMAIL" in text for text in turns.reads.texts)
    everything = sum(len(text) for text, _ in searched)
    searched.clear()
    assert turns.take(said(*texts))["cloud"].values
    assert turns.reads.texts == []
    assert 0 < sum(len(text) for text, _ in searched) <= 2 * (PIECE_CHARS + SHARED_CHARS) + 200
    assert everything > 2 * (PIECE_CHARS + SHARED_CHARS), "or the conversation was too short to show it"


def test_placeholders_are_new_in_each_turn() -> None:
    """What is known of earlier turns has nothing of their tags."""
    turns = Turns()
    words = [next(iter(turns.take(said(*long_talk(1)))["cloud"].values)) for _ in range(5)]
    assert len(set(words)) == 5


def test_a_new_value_is_searched_in_all_that_was_said() -> None:
    """A spelling that was nobody's value in one turn is one in the next."""
    turns, filler = Turns(), [OFFICE * 400, OFFICE]
    before = said("Write to bob.lee@example.net.", SPELLED, *filler)
    assert turns.take(before)["cloud"].values
    after = said("Write to bob.lee@example.net.", SPELLED, *filler, f"And to {MAIL}.")
    assert turns.take(after) == {} == Turns(known=KnownMasks(max_bytes=0)).take(after)


@given(st.lists(st.sampled_from(SAID), min_size=2, max_size=6))
def test_masks_are_those_of_reading_everything(texts: list[str]) -> None:
    """What is known changes no mask, whatever comes in which turn."""
    turns = Turns()
    for end in range(1, len(texts) + 1):
        request = said(*texts[:end])
        known, fresh = turns.take(request), Turns(known=KnownMasks(max_bytes=0)).take(request)
        assert [(name, each.privacy_class, each.counts) for name, each in known.items()] == [
            (name, each.privacy_class, each.counts) for name, each in fresh.items()
        ]


@pytest.mark.parametrize("differs", ["tenant", "policy"])
def test_nothing_is_known_across_tenants_and_policies(
    differs: str, searched: list[tuple[str, Sequence[Value]]]
) -> None:
    """The same conversation of another tenant, or under another policy, is read from its beginning."""
    known, texts = KnownMasks(), long_talk(4)
    Turns(known=known).take(said(*texts))
    searched.clear()
    other = Turns(OTHER if differs == "policy" else MASKING, known)
    assert other.take(said(*texts, tenant="other" if differs == "tenant" else "acme"))["cloud"].values
    assert any("<EMAIL" in text for text in other.reads.texts)
    assert sum(len(text) for text, _ in searched) > sum(map(len, texts)) - 100


def test_memory_is_bounded() -> None:
    """However many conversations there are, it holds no more than it may, and the latest stays known."""
    known = KnownMasks(max_bytes=400_000)
    turns = Turns(known=known)
    for at in range(300):
        turns.take(said(f"{at}: write to {MAIL}.", f"{at}: {OFFICE}"))
        assert known.summaries.size_bytes + known.pieces.size_bytes <= 400_000
    assert 0 < len(known.pieces) < 300 or known.pieces.size_bytes > 100_000
    turns.take(said(f"299: write to {MAIL}.", f"299: {OFFICE}"))
    assert turns.reads.texts == []


def test_no_text_is_kept() -> None:
    """What is known are numbers, types and keyed hashes."""
    known = KnownMasks()
    request = said(*long_talk(4))
    Turns(known=known).take(request)
    kept = repr([vars(known), vars(known.summaries), vars(known.summaries._summaries), vars(known.pieces)])
    assert len(known.pieces) > 0 < len(known.summaries)
    assert not any(string.text in kept for string in scanned_strings(request) if string.text)
    assert "jane" not in kept


@given(st.integers(0, 5 * PIECE_CHARS), st.integers(1, SHARED_CHARS), st.integers(1, 300))
def test_each_short_span_is_within_a_piece(start: int, length: int, every: int) -> None:
    """What is spelled in so few characters is not cut, and nothing is left out."""
    text = "".join(" " if at % every == 0 else chr(0x4E00 + at % 20_000) for at in range(6 * PIECE_CHARS))
    span = text[start : start + length]
    assert any(span in piece for piece in pieces_of(text))


def test_pieces_stay_when_text_follows() -> None:
    """All but the last two are those of the longer text."""
    text = OFFICE * 1000
    before, after = list(pieces_of(text)), list(pieces_of(text + "\n" + text))
    assert before[:-2] == after[: len(before) - 2]
    assert len(before) > 5
