"""Records whose fields say what they hold, tables judged by their heads, and what belongs to nobody."""

import pytest

from gateway.domain.privacy import PrivacyClass
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.privacy.detectors.mrz import check_digit
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())
QUIET = PrivacyScorer(PrivacyPolicy(examples="ignore"), clock=FakeClock())


def found(text: str, scorer: PrivacyScorer = SCORER) -> set[tuple[str, str]]:
    """Return type and text of each finding."""
    return {(f.type, text[f.start : f.end]) for f in scorer.score_text(text).findings}


def zone(number: str) -> str:
    """Return the second line of a passport of a made country."""
    body = f"{number}{check_digit(number)}UTO850312{check_digit('850312')}F331104{check_digit('331104')}"
    return f"{body}<<<<<<<<<<<<<<04"


def test_a_zone_of_a_passport_names_its_holder() -> None:
    """Number, birth date and names; a line by itself too, if all its check digits are right."""
    line = zone("K7712345X")
    both = "P<UTOMUSTER<<ILSE<GRETE".ljust(44, "<") + "\n" + line
    want = {("NATIONAL_ID", "K7712345X"), ("DOB", "850312")}
    assert found(both) >= want | {("PERSON", "MUSTER<<ILSE<GRETE")}
    assert found(line) >= want
    wrong = line[:9] + str((int(line[9]) + 1) % 10) + line[10:]
    assert ("DOB", "850312") not in found(wrong)


def test_a_patient_segment_is_read_by_its_fields() -> None:
    """Also one behind an escaped line end."""
    pid = "PID|1||77120^^^H^MR||MUSTER^ILSE||19850312|F|||Lindenweg 4^^Bonn||0228 899869||||||536228726"
    for text in (pid, f"MSH|^~\\&|A|B\n{pid}\n"):
        assert found(text) >= {("DOB", "19850312"), ("PHONE", "0228 899869"), ("US_SSN", "536228726")}


def test_a_folded_line_of_a_vcard_is_one_value() -> None:
    """As RFC 6350 folds it."""
    text = "BEGIN:VCARD\nFN:Ilse Muster\nTEL;TYPE=HOME:(0228)\n  899869\nBDAY:19850312\nEND:VCARD"
    assert found(text) >= {("PHONE", "(0228)\n  899869"), ("DOB", "19850312"), ("PERSON", "Ilse Muster")}


TABLES = [
    ("INSERT INTO t (id, Telefon) VALUES (7, '28998690'), (8, '28998691');", "PHONE", "28998691"),
    ('{"columns": ["id", "ssn"], "data": [[1, "536228726"]]}', "US_SSN", "536228726"),
    ('{"phones": ["28998690", "28998691"]}', "PHONE", "28998691"),
    ("teléfono:\n  - 28998690\n  - 28998691\n", "PHONE", "28998691"),
    ("<table><tr><th>id</th><th>Puhelin</th></tr><tr><td>7</td><td>28998690</td></tr></table>", "PHONE",
     "28998690"),
    ("Geburtsdatum\n12.03.1985\n", "DOB", "12.03.1985"),
    ("id    syntymäaika\n7     12.3.1985\n", "DOB", "12.3.1985"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "value"), TABLES)
def test_a_value_is_found_by_the_head_of_its_column(text: str, kind: str, value: str) -> None:
    """In SQL, JSON, YAML, HTML, below a label, and in columns of spaces, in several languages."""
    assert (kind, value) in found(text)


def test_a_cell_is_judged_by_its_own_head() -> None:
    """The number of an order beside a social security number is still one."""
    text = "order,ssn\n339986632,321-94-5921\n844401147,536228726\n"
    assert found(text) == {("US_SSN", "321-94-5921"), ("US_SSN", "536228726")}
    assert found("SSN: 321-94-5921\norder_id: 339986632") == {("US_SSN", "321-94-5921")}


PHONES = [
    ("Ruf mich unter 829 04 04 an", "829 04 04"),
    ("Zadzwoń pod numer 22 829 04 04", "22 829 04 04"),
    ("Позвоните мне: 912 345-67-89", "912 345-67-89"),
    ("see 0228 899869 here", "0228 899869"),
    ("see 61 8 9162 2605 here", "61 8 9162 2605"),
    ("Tel. 0228 899869 / 8998691", "8998691"),
    ("Téléphone : 01 42 68 53 00 poste 12", "01 42 68 53 00 poste 12"),
    ("M: 287 623 286", "287 623 286"),
]


@pytest.mark.parametrize(("text", "value"), PHONES)
def test_telephones_as_people_write_them(text: str, value: str) -> None:
    """By words of their language, by the grouping of their country, and in lists."""
    assert ("PHONE", value) in found(text)


OTHERS = [
    "order 068-3898-071890",
    "zip 09007-4447",
    "population 12 345 678",
    "584 - 093 - 4125 = x",
    "VAT ID is 01-6001843",
    "C: 12345678",
    "127.0.0.1, ::1, 8.8.8.8 and 169.254.1.1",
    "203.0.113.7 and 2001:db8::1",
    "it is 078-05-1120",
]


@pytest.mark.parametrize("text", OTHERS)
def test_numbers_that_are_nobodys_are_public(text: str) -> None:
    """Orders, parts, sums, firms, and addresses that are the same everywhere."""
    assert SCORER.score_text(text).privacy_class is PrivacyClass.PUBLIC


def test_an_address_of_a_network_of_ones_own_is_internal() -> None:
    """It says something about the network; so does a sample number behind its name."""
    assert SCORER.score_text("10.11.12.13").privacy_class is PrivacyClass.INTERNAL
    assert found("SSN 078-05-1120") == {("US_SSN", "078-05-1120")}


EXAMPLES = [
    "4111 1111 1111 1111", "ilse@example.com", "ilse@mail.example.org", "203.0.113.7", "+1 202-555-0142",
]  # fmt: skip


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_findings_unless_ignored(text: str) -> None:
    """A policy may leave out what is published for examples."""
    assert found(text)
    assert not found(text, QUIET)


@pytest.mark.parametrize("text", ["5105 1051 0510 5109", "ilse@example-shop.com", "+1 202-556-0142"])
def test_what_resembles_an_example_is_as_before(text: str) -> None:
    """Only the values themselves are left out."""
    assert found(text, QUIET) == found(text)
