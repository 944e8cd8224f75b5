"""The model of names: what it finds beyond the lists, its file, its words, and that its time is linear."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.privacy.detector import LIKELY, PROBABLE, Match
from gateway.privacy.detectors.named_by_model import AidedDetector, NameModelDetector
from gateway.privacy.detectors.person import PersonDetector
from gateway.privacy.names import network as network_module
from gateway.privacy.names.decode import Name, names_in, parts, runs
from gateway.privacy.names.network import KINDS, SHA256, read_network, shipped_network
from gateway.privacy.names.words import EMPTY, REACH, KnownWords, Remembered, read_words
from tests.support.detector_texts import found

NO_WORDS = KnownWords({}, (0, 0, 0))


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
    shown = [text[start:end] for start, end in zip(*words.places(), strict=True)]
    assert shown == ["Hi", "Maria", ",", *[""] * REACH, "foo", "\n", "bar", "12", "."]
    codes = words.codes.tolist()
    assert codes[:REACH] == codes[-REACH:] == [EMPTY] * REACH
    assert len(codes) == len(words.rows()) == len(shown) + 2 * REACH


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("naïve café", ["naïve", "café"]),
        ("पहिले नाव", ["पहिले", "नाव"]),
        ("王小明。你好", ["王", "小", "明", "。", "你", "好"]),
        ("김철수 씨", ["김", "철", "수", "씨"]),
        ("straße_2", ["straße", "_", "2"]),
    ],
)
def test_words_are_those_of_their_script(text: str, words: list[str]) -> None:
    """Vowels of Indian scripts are of the word; where nothing parts words each letter is one."""
    read = read_words(text, NO_WORDS, is_all=True)
    assert read is not None
    assert [token.strip() for token in read.tokens] == words


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=80))
def test_words_of_ascii_are_those_of_any_text(text: str) -> None:
    """ASCII is read by a faster pattern; a letter beyond it at the end changes no word before."""
    alone = read_words(text, NO_WORDS, is_all=True)
    other = read_words(f"{text.rstrip()}.é", NO_WORDS, is_all=True)
    assert alone is not None
    assert other is not None
    assert other.tokens[-2:] == [".", "é"]
    assert alone.tokens == other.tokens[:-2]


def test_a_full_memory_is_emptied_and_changes_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words are remembered up to a bound; what is found is the same when they are not."""
    texts = [f"Dear Mrs. Halvorsen, flat {n} of 12 Harbour Street, Leeds is free." for n in range(5)]
    network = shipped_network()
    before = [[*names_in(text, network)] for text in texts]
    monkeypatch.setattr(Remembered, "MOST", 6)
    small = network._replace(
        vocabulary=KnownWords(
            network.vocabulary.rows,
            (network.vocabulary.ordinary, network.vocabulary.telling, network.vocabulary.parts),
            network.table,
        )
    )
    assert any(before)
    assert [[*names_in(text, small)] for text in texts] == before
    assert len(small.vocabulary.remembered().codes) < Remembered.MOST


def test_what_no_vocabulary_has_is_not_remembered() -> None:
    """A word that the model does not know may be private."""
    vocabulary = shipped_network().vocabulary
    read = read_words("Dear Zqxwv Kjhgf, hello", vocabulary, is_all=True)
    assert read is not None
    assert len(read.strange) >= len(("Zqxwv", "Kjhgf"))
    assert not any(word in token for token in read.remembered.codes for word in ("Zqxwv", "Kjhgf"))


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
    assert len(once.strange) <= len(twice.strange) <= len(once.strange) + 4
    assert len(twice.codes) <= 2 * len(once.codes)
    assert len(twice.codes) <= REACH * len(piece) * 1000 + 2 * REACH


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


@pytest.mark.parametrize(
    "text",
    [
        '<field name="CAS">7732-18-5</field>',
        '<field name="build">14.02.21689</field>',
        "env:\n  - name: POSITION\n    value: 41.2",
        "| cena | build | lat, lon |\n|---|---|---|\n| 12 | 4 | 5 |",
        "cas: 7732-18-5",
        "NAME   READY   STATUS   RESTARTS\nparser-838f80426   1/1   Running   7",
        "UNIT PRICE    BATCH ID\n12.40         8a3f",
    ],
)
def test_labels_and_columns_name_nobody(text: str) -> None:
    """What lists have is also a code, a column or a key; then the finding is only possible."""
    people = [m for m in AidedDetector(PersonDetector()).find(text) if m.confidence >= PROBABLE]
    assert people == []


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        (
            "PERSON",
            "customer\nOluwaseun Adeyemi\nTalitha Brandsma\n",
            ["Oluwaseun Adeyemi", "Talitha Brandsma"],
        ),
        ("PERSON", '{"имя": "Ольга Синицына"}', ["Ольга Синицына"]),
        ("PERSON", "/api/v2/customer/Anita Wilhelm/edit", ["Anita Wilhelm"]),
        ("PERSON", "full_name: talitha brandsma", ["talitha brandsma"]),
        ("ADDRESS", "адрес: ул. Садовая, д. 14, кв. 3", ["ул. Садовая, д. 14, кв. 3"]),
        ("ADDRESS", "Anschrift: Lindenweg 14, 79098 Freiburg", ["Lindenweg 14, 79098 Freiburg"]),
    ],
)
def test_finds_values_in_rows_and_other_scripts(kind: str, text: str, values: list[str]) -> None:
    """Rows below a label, keys, paths, small letters and scripts without lists."""
    places = found(kind, text)
    assert all(any(value in place for place in places) for value in values)


def test_rows_of_a_column_are_several_addresses() -> None:
    """Cells are parted by tabs and wide spaces; three lines with numbers are rows, two one address."""
    name = Name(KINDS.index("ADDRESS") + 1, 0, 0, 0.9, 5)

    def split(text: str) -> list[str]:
        return [text[part.start : part.end] for part in parts(text, name._replace(end=len(text)))]

    assert split("1 Elm Road\n2 Oak Road\n3 Ash Road") == ["1 Elm Road", "2 Oak Road", "3 Ash Road"]
    assert split("1 Elm Road,\n2000 Sydney") == ["1 Elm Road,\n2000 Sydney"]
    assert split("1 Elm Road     AF 53\t9 Oak Road") == ["1 Elm Road", "AF 53", "9 Oak Road"]
