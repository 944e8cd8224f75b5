"""Names of fields and heads of columns give a value its meaning, however their words are joined."""

import random
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.privacy import PrivacyClass
from gateway.privacy.split_words import split_words
from gateway.privacy.variants import variants_of
from tests.support.data_values import MAKERS
from tests.support.detector_texts import SCORER, found
from tests.support.draws import examples


def _digits(source: random.Random, count: int) -> str:
    return "".join(source.choices("123456789", k=count))


def ssn(source: random.Random) -> str:
    """Return nine digits that the SSA may have issued."""
    return f"{source.randrange(100, 600)}{source.randrange(10, 99)}{source.randrange(1000, 9999)}"


def birth(source: random.Random) -> str:
    """Return a date, every second time with a time behind it."""
    day = f"{source.randrange(1940, 2009)}-0{source.randrange(1, 10)}-{source.randrange(10, 28)}"
    return source.choice([day, day + "T00:00:00Z", day + "T00:00:00.000+02:00", day.replace("-", "")])


def phone(source: random.Random) -> str:
    """Return ten digits of a North American number."""
    return f"{source.choice([212, 312, 415, 617])}{source.randrange(200, 999)}{source.randrange(1000, 9999)}"


def routing(source: random.Random) -> str:
    """Return nine digits with the check digit of the ABA."""
    head = "02" + _digits(source, 6)
    total = sum(weight * int(digit) for weight, digit in zip((3, 7, 1, 3, 7, 1, 3, 7), head, strict=True))
    return f"{head}{-total % 10}"


def pesel(source: random.Random) -> str:
    """Return eleven digits with the check digit of Poland."""
    head = (
        f"{source.randrange(50, 99)}0{source.randrange(1, 10)}1{source.randrange(1, 9)}{_digits(source, 4)}"
    )
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
    return f"{head}{-sum(weight * int(digit) for weight, digit in zip(weights, head, strict=True)) % 10}"


KINDS: tuple[tuple[str, Callable[[random.Random], str], str], ...] = (
    (
        "US_SSN",
        ssn,
        "social_security_number socialSecurityNumber SOCIAL_SECURITY_NUMBER customerSsn applicantSSN"
        " SSNNumber mySSN SSN1 spouseSSNValue",
    ),
    (
        "DOB",
        birth,
        "date_of_birth dateOfBirth birthDate DATE_OF_BIRTH patientDob dataUrodzenia fecha_nacimiento"
        " userDOB DOBDate BirthDt dt_nascimento dataNasc fechaNac GebDatum",
    ),
    (
        "PHONE",
        phone,
        "phone_number phoneNumber mobile_phone homePhone contact_number PHONE_NUMBER phone_1 custTEL telnr",
    ),
    ("BANK_ACCOUNT", lambda r: _digits(r, 10), "account_number accountNumber bankAccountNumber acct_number"),
    ("BANK_ACCOUNT", routing, "routing_number routingNumber abaRouting"),
    ("NATIONAL_ID", pesel, "nr_pesel nrPesel pesel_number NumerPESEL PESELNumer"),
    ("NATIONAL_ID", lambda r: "K" + _digits(r, 8), "passport_number passportNumber passport_no"),
)
CARRIERS = (
    '{{"id": 7, "{0}": "{1}", "live": true}}', "user:\n  {0}: {1}\n  plan: pro", "{0}={1}",
    "<u><{0}>{1}</{0}></u>",
    "id,{0},amount\n1,{1},9.5\n", '"id","{0}"\n"1","{1}"\n', "{0}\tplan\n{1}\tpro\n", "id;{0};n\n1;{1};2\n",
    "id|{0}\n1|{1}\n", "| id | {0} |\n|---|---|\n| 1 | {1} |", '{{"name": "{0}", "value": "{1}"}}',
)  # fmt: skip
FIELDS = [(kind, draw, field) for kind, draw, names in KINDS for field in names.split()]


@pytest.mark.parametrize(("kind", "draw", "field"), FIELDS, ids=[field for *_, field in FIELDS])
def test_a_value_is_found_by_the_name_of_its_field(
    kind: str, draw: Callable[[random.Random], str], field: str
) -> None:
    """In JSON, YAML, assignments, elements, tables of five kinds, and lists of names and values."""
    source = random.Random(field)
    for carrier in CARRIERS:
        value = draw(source)
        hits = found(kind, carrier.format(field, value))
        assert (value[:10] if kind == "DOB" else value) in hits, carrier


@pytest.mark.parametrize(("kind", "draw", "field"), FIELDS, ids=[field for *_, field in FIELDS])
def test_a_part_of_a_form_names_its_value(
    kind: str, draw: Callable[[random.Random], str], field: str
) -> None:
    """Though a blank line, and maybe another header, stands between (RFC 7578)."""
    source = random.Random(field)
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n'
    for more in ("", "Content-Type: text/plain\r\n"):
        value = draw(source)
        hits = found(kind, f"{head}{more}\r\n{value}\r\n--x--\r\n")
        assert (value[:10] if kind == "DOB" else value) in hits


def test_a_header_reaches_every_row_of_its_own_column_only() -> None:
    """Each row's cell is found, however far away, and the digits beside it are not where no word is near."""
    rows = [(ssn(random.Random(n)), ssn(random.Random(n + 100))) for n in range(40)]
    text = "orders of May\norder,ssn,note\n" + "\n".join(f"{order},{given},x" for order, given in rows)
    hits = set(found("US_SSN", text))
    assert hits >= {given for _, given in rows}
    assert hits.isdisjoint(order for order, _ in rows[10:])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("order_number: 536228726", "another number"),
        ("def test_telemetry_4():\n    assert count == 536228726", "a word that only begins like one"),
        ("order,total\n536228726,9.99\n", "another column"),
        ("accountName = 'main 12345678'", "an account's name"),
        ("released_at: 1980-02-03T00:00:00Z", "another date"),
    ],
)
def test_names_of_other_things_are_no_context(text: str, why: str) -> None:
    """What a field or a column of another name holds stays as it was."""
    types = {f.type for f in SCORER.score_text(text).findings}
    assert not types, why


@settings(max_examples=examples(300), deadline=None)
@given(st.text(alphabet="aB_c1 ,;|\t\n\"'=:-{}ssnNamevalu\u5bc6\u7801", max_size=80))
def test_readings_keep_their_places(text: str) -> None:
    """Each character of a reading that has a place is the one that stands there, up to case of its kind."""
    for reading in variants_of(text):
        if reading.offsets is not None:
            assert len(reading.offsets) == len(reading.text)
            for char, at in zip(reading.text, reading.offsets, strict=True):
                assert at < len(text)
                assert at < 0 or char == text[at] or (char in " \n" and text[at] in "_\n")


GLUED = ((ssn, "SSN"), (ssn, "ssn"), (pesel, "PESEL"), (phone, "tel"), (phone, "Phone"))


@pytest.mark.parametrize(("draw", "label"), GLUED)
def test_a_label_without_a_space_names_its_value(draw: Callable[[random.Random], str], label: str) -> None:
    """As in names of files and in notes; a card needs no label, but must not be hidden by one."""
    source = random.Random(label)
    for form in ("{}{}", "see {}{}, please", "scan_{}{}.pdf", "{}-{}", "{}#{}"):
        value = draw(source)
        text = form.format(label, value)
        assert value in {text[f.start : f.end] for f in SCORER.score_text(text).findings}, form


TYPED = ("{}L", "{}LL", "{}ULL", "{}n", "{}_u64", "{}i64", "{}EUR")


@pytest.mark.parametrize("form", TYPED)
def test_the_type_of_a_number_in_a_program_hides_nothing(form: str) -> None:
    """Nor does the code of a currency, of a card as of a number that its name tells."""
    source = random.Random(form)
    for kind, text, value in (
        ("CREDIT_CARD", "x = " + form, MAKERS["CREDIT_CARD"](source).replace(" ", "").replace("-", "")),
        ("NATIONAL_ID", "long pesel = " + form + ";", pesel(source)),
        ("IBAN", ":25:" + form, "DE89370400440532013000"),
    ):
        assert value in found(kind, text.format(value)), kind


def test_the_track_of_a_card_is_no_escape() -> None:
    """`%B4` begins a magnetic stripe, not a character."""
    assert found("CREDIT_CARD", "%B5555555555554444^DOE/JO^2712101?") == ["5555555555554444"]


def test_no_group_of_a_uuid_is_a_number() -> None:
    """Its groups look like identity documents, accounts and telephones of many countries."""
    source = random.Random(7)
    texts = [f"id={uuid.UUID(int=source.getrandbits(128), version=4)}" for _ in range(3000)]
    known = ("4305488a-28f9-47c4-8fc9-60aaf1686a2f", "a799348f-8087-4925-9464-ea4d3053d762")
    for text in (*texts, *known, "ee82893d-af17-458a-aa86-7daeac2a2953"):
        assert SCORER.score_text(text).privacy_class is PrivacyClass.PUBLIC


def test_words_of_a_name_are_parted() -> None:
    """By underscores and where a capital or a number begins."""
    assert split_words("dateOfBirth") == "date Of Birth"
    assert split_words("nr_pesel") == "nr pesel"
    assert split_words("phone2") == "phone 2"
    assert split_words("SSNNumber") == "SSN Number"
    assert split_words("SSNs") == "SSNs"
    assert split_words("applicantSSN") == "applicant SSN"
    assert split_words("plain") == "plain"
