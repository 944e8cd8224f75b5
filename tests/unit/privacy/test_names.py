"""Names of people and postal addresses, by examples with their reasons; nobody here is real."""

import pytest

from gateway.domain.privacy import PrivacyClass
from tests.support.detector_texts import SCORER, found


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        ("Please ask Emily Johnson about it.", "Emily Johnson", "a given name and what follows it"),
        ("so Judy said no", "Judy", "a given name that is nothing else"),
        ("We met Zbigniew Kowalczyk there", "Zbigniew Kowalczyk", "a surname by its ending"),
        ("It was Bo\u017cena Wi\u015bniewska", "Bo\u017cena Wi\u015bniewska", "letters with accents"),
        ("Mr. Qwertz will come", "Qwertz", "a title, whatever the name"),
        ("my name is Xyqa Blorp", "Xyqa Blorp", "words that introduce it"),
        ("Her maiden name is Gruber", "Gruber", "a surname that is called so"),
        ("Name: Toshimi Arata\nPhone: none", "Toshimi Arata", "a form, up to the end of the line"),
        ("ask John R. Smith today", "John R. Smith", "an initial inside"),
        ("It is Maria's turn", "Maria", "without the possessive"),
        ("wrote to Vincent van Gogh twice", "Vincent van Gogh", "small words inside a name"),
        ("mr. elliott and i flew home", "elliott", "a title, without any capitals"),
        ("we asked angela ferreira about it", "angela ferreira", "two listed names, without any capitals"),
    ],
)
def test_finds_names(text: str, name: str, why: str) -> None:
    """A name is reported without the title and the words around it."""
    assert found("PERSON", text) == [name], why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("April and August are months", "months"),
        ("Will it rain? May I go?", "words that begin sentences"),
        ("Paris, London and Berlin are cities", "places"),
        ("Stanford University has a Nobel Prize", "an institution"),
        ("Capitalised Words In A Title", "capitals alone"),
        ("Rua Maria Silva 12", "a street that is called after somebody"),
        ("she works for Fernandez Inc. in town", "a firm"),
        ("the river flows under the old bridge", "no name at all"),
    ],
)
def test_leaves_what_only_looks_like_a_name(text: str, why: str) -> None:
    """Words that are names at times are not reported where nothing else says so."""
    assert found("PERSON", text) == [], why


def test_names_alone_are_not_confidential() -> None:
    """A full name makes a request internal, a mention leaves it public: prompts are full of names."""
    assert SCORER.score_text("John has five apples.").privacy_class is PrivacyClass.PUBLIC
    assert SCORER.score_text("John Smith has five apples.").privacy_class is PrivacyClass.INTERNAL


@pytest.mark.parametrize(
    ("text", "address", "why"),
    [
        ("I moved to 12 Baker Street last year", "12 Baker Street", "number, name and kind of street"),
        (
            "see 1600 Elm St.\nSpringfield, IL 62704 soon",
            "1600 Elm St.\nSpringfield, IL 62704",
            "with the city",
        ),
        ("12 rue de Rivoli, 75001 Paris", "12 rue de Rivoli", "French"),
        ("Calle Mayor 5", "Calle Mayor 5", "Spanish"),
        ("bei Hauptstra\xdfe 5", "Hauptstra\xdfe 5", "German, in one word"),
        ("wir gingen Villacher Strasse 89", "Villacher Strasse 89", "German, in two words"),
        ("ul. Krakowska 12", "ul. Krakowska 12", "Polish"),
        ("to P.O. Box 123 please", "P.O. Box 123", "a box"),
        ("USNS Example\nFPO AP 96672", "USNS Example\nFPO AP 96672", "post to soldiers"),
        ("my address is 7 Anything Whatever", "7 Anything Whatever", "words that introduce it"),
    ],
)
def test_finds_addresses(text: str, address: str, why: str) -> None:
    """An address is reported from the number or the street on."""
    (place,) = found("ADDRESS", text)
    assert place.startswith(address), why
    assert SCORER.score_text(text).privacy_class >= PrivacyClass.CONFIDENTIAL


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Wall Street and Downing Street are famous", "streets without a number"),
        ("it took 5 days and 3 ways to get there", "words that are kinds of streets"),
        ("In March 2009, the International Criminal Court met", "a year"),
        ("he lived in the city in 1986", "a year behind words that introduce addresses"),
        ("she moved to Berlin on May 5", "a date"),
        ("deliver to the buyer 1,000 widgets", "an amount"),
        ("20 coulombs / m2 is enclosed", "a unit of measure"),
    ],
)
def test_leaves_what_only_looks_like_an_address(text: str, why: str) -> None:
    """Numbers beside capitals are no address by themselves."""
    assert found("ADDRESS", text) == [], why
