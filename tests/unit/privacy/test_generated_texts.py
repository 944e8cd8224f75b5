"""What `benchmarks.privacy_generated` says of its texts is so: it is the judge of the detectors."""

from functools import cache
from random import Random

import pytest
from stdnum import bitcoin, iban, luhn

from benchmarks.privacy_generated import (
    crypto_addresses,
    disguises,
    documents,
    numbers,
    provider_keys,
    tables,
)
from benchmarks.privacy_generated.floors import LEAST, MOST, broken
from benchmarks.privacy_generated.locales import generator
from benchmarks.privacy_generated.rows import all_forms, all_sources, disguised_rows, rows, special_rows
from benchmarks.privacy_generated.value import HALVES, Half, LabelledRow, half_of
from benchmarks.privacy_measures import Figure

pytestmark = pytest.mark.slow
FEW = 0.03


@cache
def drawn(half: Half) -> tuple[LabelledRow, ...]:
    """Return few rows of a half, of every kind."""
    return (*rows(half, scale=FEW), *disguised_rows(half, scale=FEW), *special_rows(half, scale=FEW))


@pytest.mark.parametrize("half", HALVES)
def test_each_span_is_the_value_of_its_source(half: Half) -> None:
    """The first span is the value as the form writes it, and all spans are of the source's type."""
    for row in drawn(half):
        assert {kind for *_, kind in row.spans} == ({row.source.type} if row.source.type else set())
        written = [row.text[start:end] for start, end, _ in row.spans]
        assert not row.source.type or row.form.encode(row.value) in written


def test_halves_share_no_source_and_no_form() -> None:
    """A row of a half has a source and a form of that half, and neither name occurs in the other."""
    names = {
        half: [{row.source.name for row in drawn(half)}, {row.form.name for row in drawn(half)}]
        for half in HALVES
    }
    for tune, held in zip(names["tune"], names["held"], strict=True):
        assert not tune & held
    assert all(
        half_of(row.source.name) == half_of(row.form.name) == half for half in HALVES for row in drawn(half)
    )


def test_both_halves_have_every_type_and_thousands_of_sources() -> None:
    """No type is judged by one half alone; the locales, regions, modules and providers are many."""
    types = {half: {row.source.type for row in drawn(half)} for half in HALVES}
    assert types["tune"] == types["held"]
    names = {source.name for source in all_sources()}
    starts = {
        start: sum(name.startswith(start) for name in names)
        for start in ("stdnum ", "phonenumbers ", "provider ")
    }
    assert starts["stdnum "] > 200
    assert starts["phonenumbers "] > 200
    assert starts["provider "] > 150
    assert len({name.split()[1] for name in names if name.startswith("faker ")}) > 60
    assert len({form.name for form in all_forms()}) == len(all_forms()) > 300


def test_a_seed_gives_the_same_rows() -> None:
    """Figures can be compared: the same seed draws the same texts, another one draws others."""
    first, again, other = (
        [(row.text, row.spans) for row in rows("tune", seed, scale=FEW)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_source_says_its_country() -> None:
    """One country may be in both halves by two libraries; a column of the table leaves such values out."""
    countries = {source.name: source.country for source in all_sources()}
    assert (
        countries["faker pl_PL pesel"] == countries["stdnum pl.pesel"] == countries["phonenumbers PL"] == "pl"
    )
    assert countries["stdnum in_.pan"] == "in"
    assert countries["stdnum isbn"] == countries["card Visa"] == ""


def test_as_much_is_nobodys_as_is_private() -> None:
    """A half that is full of private data would not show what is flagged without a reason."""
    listed = [row for row in rows("tune", scale=FEW) if not row.source.also]
    private = sum(bool(row.spans) for row in listed)
    assert 0.4 < private / len(listed) < 0.6


def test_check_digits_are_right() -> None:
    """Cards, vehicles, accounts and documents pass the check that they are drawn for."""
    random = Random(1)
    by_name = {source.name: source for source in all_sources()}
    for name in ("card Visa", "card American Express"):
        number = "".join(sign for sign in by_name[name].draw(random) if sign.isdigit())
        assert luhn.is_valid(number)
    assert iban.is_valid(by_name["faker de_DE iban"].draw(random))
    assert not luhn.is_valid(by_name["benign card-like ids"].draw(random))
    vin = numbers.vin(random)
    weights, values = (
        (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2),
        "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ",
    )
    total = sum(weight * (values.index(sign) % 10) for weight, sign in zip(weights, vin, strict=True))
    assert vin[8] == "0123456789X"[total % 11]


def test_documents_are_valid_and_not_the_examples() -> None:
    """Each module of stdnum calls the numbers valid that are drawn for it."""
    from stdnum.pl import pesel

    found = documents.valid_numbers(pesel)
    assert len(found) > 20
    assert all(pesel.is_valid(number) for number in found)
    assert documents.names_of(pesel) == ("PESEL", "Polish national identification number")


def test_addresses_of_currencies_have_their_checksums() -> None:
    """Known vectors of Base58Check, Bech32, Bech32m and EIP-55, and stdnum's own check."""
    assert crypto_addresses.base58check(bytes(21)) == "1111111111111111111114oLvT2"
    digest = crypto_addresses.keccak256(b"").hex()
    assert digest == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    assert crypto_addresses.eip55(address[2:].lower()) == address
    bitcoins = [source for source in crypto_addresses.sources() if source.name.startswith("crypto bitcoin")]
    assert len(bitcoins) == 5
    for source in bitcoins:
        if "taproot" not in source.name:  # Bech32m is younger than stdnum's check.
            assert bitcoin.is_valid(source.draw(Random(3))), source.name


def test_keys_follow_their_formulas() -> None:
    """A formula is literal text and counts of an alphabet."""
    assert len(provider_keys.drawn("ghp_{a36}")(Random(1))) == 40
    assert provider_keys.drawn("AKIA{216}")(Random(1))[4:].isupper()


def test_a_disguise_hides_the_value() -> None:
    """Each form of a disguise changes what it hides, in every half that has one."""
    forms = [form for form in disguises.forms() if form.encode("a.b@1 0") != "a.b@1 0"]
    assert len(forms) > 60
    for half in HALVES:
        for row in disguised_rows(half, scale=FEW):
            assert row.value not in row.text


def test_faker_draws_with_the_random_numbers_of_the_row() -> None:
    """Whoever draws from a locale first does not change what another row gets."""
    source = next(each for each in all_sources() if each.name == "faker it_IT city")
    first = source.draw(Random(7))
    generator("it_IT").random.random()
    assert source.draw(Random(7)) == first


def test_a_figure_below_its_floor_is_named() -> None:
    """`make test-privacy` fails with a line for each figure that is worse than what is held."""
    nothing = Figure(found=0, wrong=1, missed=1)
    names = (
        "core6",
        "PHONE",
        "NATIONAL_ID",
        "SECRET",
        "ADDRESS",
        "PERSON",
        "VEHICLE",
        "BANK_ACCOUNT",
        "CRYPTO",
        "structured",
        "any",
    )
    bad = tables.Column(title="held", figures=dict.fromkeys(names, nothing), flagged=1.0, kept=1.0)
    assert len(broken([bad])) == len(LEAST) + len(MOST)
    perfect = Figure(found=1, wrong=0, missed=0)
    assert (
        broken([tables.Column(title="held", figures=dict.fromkeys(names, perfect), flagged=0.0, kept=0.0)])
        == []
    )
