"""The model of names: what it finds beyond the lists, its file, its words, and that its time is linear."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest

from gateway.privacy.detector import LIKELY, PROBABLE, Match
from gateway.privacy.detectors.named_by_model import AidedDetector, NameModelDetector
from gateway.privacy.detectors.person import PersonDetector
from gateway.privacy.names import network as network_module
from gateway.privacy.names.decode import names_in, runs
from gateway.privacy.names.network import KINDS, SHA256, read_network, shipped_network
from gateway.privacy.names.words import EMPTY, REACH, SLOTS, KnownWords, read_words
from tests.support.detector_texts import found

NO_WORDS = KnownWords({}, 0, 0, 0, {})


@pytest.mark.parametrize(
    ("kind", "text", "name", "why"),
    [
        ("PERSON", "Please ask Oluwaseun Adeyemi-Brandt to call me back.", "Oluwaseun Adeyemi-Brandt",
         "a name that no list has in full"),
        ("PERSON", "hi im maria gonzalez, can you help me with my order", "maria gonzalez", "small letters"),
        ("ADDRESS", "Ship it to Unit 7, 41 Wattle Grove Crescent, Mildura VIC 3500.", "41 Wattle",
         "an address with its city"),
        ("LOCATION", "What is the weather like in Barcelona tomorrow?", "Barcelona", "a place"),
    ],
)  # fmt: skip
def test_finds_what_lists_do_not_hold(kind: str, text: str, name: str, why: str) -> None:
    """What is found contains the name, or is it."""
    assert any(name in place for place in found(kind, text)), why


@pytest.mark.parametrize(
    "text",
    [
        "Explain the difference between a list and a tuple in two sentences.",
        "version 4.17.2 of the parser was released, build 20931 failed",
        "please write to jane_doe_41@example.org or open https://example.org/maria/lopez",
        "for (int i = 0; i < 12; i++) { total += prices[i]; }",
    ],
)
def test_finds_nothing_where_nobody_is(text: str) -> None:
    """Prompts, versions, parts of e-mail addresses and URLs, and code hold no name."""
    detectors = NameModelDetector(*KINDS)
    assert [*detectors.find(text)] == []


def test_a_sentence_without_a_word_of_interest_is_not_judged() -> None:
    """The network is not asked about it."""
    assert read_words("what is the best way to sort a list?", shipped_network().vocabulary) is None


def test_words_lie_where_the_text_has_them_and_paragraphs_are_far_apart() -> None:
    """Spaces of any kind belong to no word; a blank line is as many empty words as the network looks back."""
    text = "Hi\u00a0 Maria,\r\n \r\nfoo\n\tbar 12. "
    words = read_words(text, NO_WORDS, is_all=True)
    assert words is not None
    shown = [text[end - size : end] for end, size in zip(words.ends, words.sizes, strict=True)]
    assert shown == ["Hi", "Maria", ",", *[""] * REACH, "foo", "\n", "bar", "12", "."]
    assert words.ids[:REACH] == words.ids[-REACH:] == [EMPTY] * REACH
    assert len(words.ids) == len(shown) + 2 * REACH


def test_paragraphs_do_not_see_each_other() -> None:
    """The names of a paragraph are the same whatever stands before or behind a blank line."""
    alone = "Contact Ingrid Halvorsen, 12 Harbour Street, Bergen."
    network = shipped_network()
    names = [(n.kind, n.start, n.end) for n in names_in(alone, network)]
    assert names
    for before in ("", "Maria Lopez of Acme Ltd\n\n", "x " * 300 + "Anna\n \n"):
        text = f"{before}{alone}\n\nPeter Miller lives here"
        inside = [
            (n.kind, n.start - len(before), n.end - len(before))
            for n in names_in(text, network)
            if len(before) <= n.start < len(before) + len(alone)
        ]
        assert inside == names


def test_runs_of_one_label_are_names() -> None:
    """Neighbours with the same best label are one name; its probability is the mean over its words."""
    scored = np.full((6, 5), -9.0, dtype=np.float32)
    for word, label in enumerate((0, 1, 1, 2, 0, 1)):
        scored[word, label] = 9.0
    assert [run[:3] for run in runs(None, scored)] == [(1, 2, 1), (3, 3, 2), (5, 5, 1)]
    assert [*runs(None, scored[:1])] == []
    parted = [run[:3] for run in runs(np.array([0, 4, 9, 10, 11, 12]), scored)]
    assert parted == [(4, 4, 1), (9, 9, 1), (10, 10, 2), (12, 12, 1)]
    assert next(runs(None, scored))[3] > 0.99


def test_the_shipped_file_is_that_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is small, has the hash that the code names, and another file is refused."""
    data = files("gateway.privacy.names").joinpath("shipped", "names.npz").read_bytes()
    assert sha256(data).hexdigest() == SHA256
    assert len(data) <= 4_000_000
    network = read_network(data)
    assert len(network.table) > len(network.vocabulary.rows)
    assert not network.table[EMPTY].any(), "an empty word says nothing"
    monkeypatch.setattr(network_module, "sha256", lambda _: SimpleNamespace(hexdigest=lambda: "other"))
    with pytest.raises(ValueError, match=r"names\.npz is not the file of this version"):
        network_module.shipped_network.__wrapped__()


def test_threads_share_the_network() -> None:
    """Threads that look at different texts at once find what one finds alone."""
    texts = [f"Dear Mrs. Halvorsen, flat {n} of 12 Harbour Street, Leeds is free." for n in range(60)]
    detector = NameModelDetector(*KINDS)
    alone = [[*detector.find(text)] for text in texts]
    with ThreadPoolExecutor(4) as pool:
        together = [*pool.map(lambda text: [*detector.find(text)], texts)]
    assert together == alone


@pytest.mark.parametrize("piece", ["Ingrid Halvorsen, ", "A\n\n", "x9Fq2", "Иван ", "12 Harbour Street, "])
def test_work_is_linear_in_the_text(piece: str) -> None:
    """Twice the text is twice the words that are read, and no more than one word for each character."""
    vocabulary = shipped_network().vocabulary
    once, twice = (read_words(piece * times, vocabulary, is_all=True) for times in (500, 1000))
    assert once is not None
    assert twice is not None
    assert len(once.distinct) <= len(twice.distinct) <= len(once.distinct) + 4 * SLOTS
    assert len(twice.ids) <= 2 * len(once.ids)
    assert len(twice.ids) <= REACH * len(piece) * 1000 + 2 * REACH


def test_lists_keep_what_they_know() -> None:
    """The model adds to what the lists find and takes nothing from it; a single word is never likely."""
    text = "Emily Johnson met Judy and Ingrid Halvorsen in Leeds"
    listed = [*PersonDetector().find(text)]
    both = [*AidedDetector(PersonDetector()).find(text)]
    assert both[: len(listed)] == listed
    assert all(match.confidence in (PROBABLE, LIKELY) for match in both[len(listed) :])
    single = [m for m in NameModelDetector("PERSON").find(text) if " " not in text[m.start : m.end]]
    assert all(match.confidence == PROBABLE for match in single)
    assert all(isinstance(match, Match) for match in both)
