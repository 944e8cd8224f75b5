"""Masking: a value that still stands in another spelling keeps the request home."""

import base64
import codecs
import hashlib
import html
import ipaddress
import quopri
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from urllib.parse import quote

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.domain.request import GenerationConfig
from gateway.privacy.masking.codings import variants
from gateway.privacy.masking.spelling import Value, is_spelled_in
from tests.support.draws import examples
from tests.support.masking_requests import decided
from tests.support.requests import request_of

MAIL = "tove.lind@sample.example"
PHONE = "+46 8 502 417 39"
BORN = date(1973, 11, 6)

CODINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent of what must be": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 without its end": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in longer data": lambda text: base64.b64encode(f"xx{text}yyy".encode()).decode(),
    "base64 behind a name": lambda text: f"data_{base64.b64encode(text.encode()).decode()}",
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16")).decode(),
    "base64 of percent": lambda text: base64.b64encode(quote(text, safe="").encode()).decode(),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64 in lines": lambda text: base64.encodebytes(text.encode().ljust(90)).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "ascii85": lambda text: base64.a85encode(text.encode(), adobe=True).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex in pairs": lambda text: text.encode().hex(" "),
    "hex of a program": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "codes": lambda text: ", ".join(str(byte) for byte in text.encode()),
    "binary": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "octal": lambda text: " ".join(f"{byte:o}" for byte in text.encode()),
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "entities by name": lambda text: html.escape(text).replace("@", "&commat;").replace(".", "&period;"),
    "JSON": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "JavaScript": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "Unicode notation": lambda text: " ".join(f"U+{ord(char):04X}" for char in text),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "backwards": lambda text: text[::-1],
    "letter by letter": " ".join,
    "with marks": "-".join,
    "with invisible marks": "\u200b".join,
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "full width": lambda text: "".join(chr(ord(char) + 0xFEE0) if char > " " else char for char in text),
    "mathematical letters": lambda text: "".join(
        chr(0x1D41A + ord(char) - 97) if "a" <= char <= "z" else char for char in text
    ),
    "tags": lambda text: "".join(chr(0xE0000 + ord(char)) for char in text),
    "selectors": lambda text: "".join(chr(0xE0100 + byte - 16) for byte in text.encode()),
    "bits without width": lambda text: "".join(
        "\u200b\u200c"[int(bit)] for byte in text.encode() for bit in f"{byte:08b}"
    ),
    "CSS": lambda text: "".join(f"\\{ord(char):06x}" for char in text),
    "flags": lambda text: "".join(chr(0x1F1E6 + ord(char) - 97) if char.isalpha() else char for char in text),
    "in black boxes": lambda text: "".join(
        chr(0x1F170 + ord(char) - 97) if char.isalpha() else char for char in text
    ),
    "UTF-7": lambda text: text.replace("@", "+AEA-"),
}  # fmt: skip


@pytest.mark.parametrize("name", CODINGS)
def test_no_coding_of_an_address_goes(name: str) -> None:
    """Whoever reads it back has the value that the placeholder stands for."""
    spelled = CODINGS[name](MAIL)
    assert is_spelled_in(f"It was {spelled} and no other.", [Value("EMAIL", MAIL)])


@pytest.mark.parametrize("place", ["message", "stop", "schema"])
def test_a_spelled_value_keeps_the_request_home(place: str) -> None:
    """Beside its placeholder, in whatever text the model is sent, where no detector reads its coding."""
    spelled = CODINGS["UTF-7" if place == "message" else "base64"](MAIL)
    ask, config = f"Write to {MAIL}.", GenerationConfig()
    if place == "message":
        ask += f" See {spelled}"
    elif place == "stop":
        config = GenerationConfig(stop=(spelled,))
    else:
        config = GenerationConfig(json_schema=f'{{"enum": ["{spelled}"]}}')
    assert decided(request_of(f"Write to {MAIL}.")).permits
    assert not decided(request_of(ask, config=config)).permits


def test_a_coding_that_detectors_read_is_masked() -> None:
    """The whole token has a placeholder, so the request may go."""
    assert decided(request_of(f"Write to {MAIL}. See {CODINGS['base64'](MAIL)}")).permits


@pytest.mark.parametrize(
    ("kind", "value", "spelled"),
    [
        ("EMAIL", MAIL, "tove dot lind at sample dot example"),
        ("EMAIL", MAIL, "Lind, Tove"),
        ("EMAIL", MAIL, "t0ve_l1nd"),
        ("EMAIL", MAIL, hashlib.md5(MAIL.encode(), usedforsecurity=False).hexdigest()),
        ("EMAIL", MAIL, hashlib.sha256(MAIL.encode()).hexdigest()),
        ("PHONE", PHONE, "08-502 417 39"),
        ("PHONE", PHONE, "ends in 1739"),
        ("PHONE", PHONE, "five oh two four one seven three nine"),
        ("PHONE", PHONE, "\u0665\u0660\u0662\u0664\u0661\u0667\u0663\u0669"),
        ("CREDIT_CARD", "5105 1051 0510 5100", "the card with 5100"),
        ("US_SSN", "536-22-8726", "last four: 8726"),
        ("IBAN", "SE35 5000 0000 0549 1000 0003", "account 50000000054910000003"),
        ("PERSON", "Zo\u00eb M\u00fcller", "Zoe"),
        ("PERSON", "Zo\u00eb M\u00fcller", "Mueller"),
        ("PERSON", "Mueller", "M\u00fcller"),
        (
            "PERSON",
            "\u0418\u0432\u0430\u043d \u041f\u0435\u0442\u0440\u043e\u0432",
            "Petrov",
        ),
        ("PERSON", "Tove Lind", "T\u043eve"),
        ("PERSON", "Tove Lind", "L-i-n-d"),
        ("PERSON", "Tove Lind", "@tovelind"),
        ("PERSON", "Tove Lind", "L1nd"),
        ("PERSON", "Tove Lind", "T\u014fv\u0115"),
        ("PERSON", "Tove Lind", "\u1d1b\u1d0f\u1d20\u1d07"),
        ("EMAIL", MAIL, "Tango Oscar Victor Echo Lima India November Delta"),
        ("PHONE", PHONE, "cinco cero dos cuatro uno siete tres nueve"),
        ("PHONE", PHONE, "cinque zero due quattro uno sette tre nove"),
        ("PHONE", PHONE, "\u277a\u24ff\u2777\u2779\u2776\u277c"),
        ("DOB", "6 November 1973", "197311060900"),
        ("DOB", "6 November 1973", "731106-1234"),
        ("DOB", "6 November 1973", "2441993"),
        ("IP", "203.0.113.77", str(int(ipaddress.ip_address("203.0.113.77")))),
        ("IP", "203.0.113.77", "::ffff:cb00:714d"),
        ("IP", "203.0.113.77", "77.113.0.203.in-addr.arpa"),
        ("IP", "2001:db8::7", "2001:0db8:0000:0000:0000:0000:0000:0007"),
        ("MAC", "00:1B:44:11:3A:B7", "001b.4411.3ab7"),
        ("VEHICLE", "1HGCM82633A004352", "1hgcm 82633 a00 4352"),
        ("URL", "https://www.sample.example/tove?id=7731", "sample.example/tove%3Fid%3D7731"),
        ("ADDRESS", "12 Kestrel Lane, Bergen", "12, Kestrel Lane; Bergen"),
    ],
)
def test_parts_and_spellings_that_tell_as_much(kind: str, value: str, spelled: str) -> None:
    """The end of a number, a name without its accents, an address in another notation."""
    assert is_spelled_in(f"It was {spelled} and no other.", [Value(kind, value)])


ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
DATES: Mapping[str, Callable[[date], str]] = {
    "ISO": date.isoformat,
    "European": lambda day: f"{day.day}.{day.month}.{day.year}",
    "American": lambda day: f"{day.month}/{day.day}/{day:%y}",
    "in words": lambda day: f"{day:%B} {day.day}th, {day.year}",
    "the other way in words": lambda day: f"the {day.day}th of {day:%B} in {day.year}",
    "short": lambda day: f"{day.day}-{day:%b}-{day:%y}",
    "digits": lambda day: f"{day:%Y%m%d}",
    "European digits": lambda day: f"{day:%d%m%Y}",
    "six digits": lambda day: f"{day:%y%m%d}",
    "Roman": lambda day: f"{day.day}.{ROMAN[day.month - 1]}.{day.year}",
    "seconds": lambda day: str(int(datetime(day.year, day.month, day.day, 9, tzinfo=UTC).timestamp())),
    "milliseconds": lambda day: f"{int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())}000",
    "spreadsheet": lambda day: str((day - date(1899, 12, 30)).days),
    "day of the year": lambda day: f"{day:%Y-%j}",
    "week": lambda day: "{}-W{:02}-{}".format(*day.isocalendar()),
    "Thailand": lambda day: f"{day.day}/{day.month}/{day.year + 543}",
    "Taiwan": lambda day: f"\u6c11\u570b{day.year - 1911}\u5e74{day.month}\u6708{day.day}\u65e5",
    "Japan": lambda day: f"{day.year}\u5e74{day.month}\u6708{day.day}\u65e5",
}  # fmt: skip
DAYS = st.dates(date(1971, 1, 2), date(2009, 12, 31))


@settings(max_examples=examples(300), deadline=None)
@given(DAYS, st.sampled_from(sorted(DATES)), st.sampled_from(["ISO", "European", "American", "in words"]))
def test_a_date_is_known_by_its_value(day: date, spelled: str, masked: str) -> None:
    """However it is written, and whatever was masked."""
    assert is_spelled_in(f"It was {DATES[spelled](day)} then.", [Value("DOB", DATES[masked](day))])


@settings(max_examples=examples(200), deadline=None)
@given(DAYS, DAYS)
def test_another_date_is_another_one(day: date, other: date) -> None:
    """Unless they share numbers, which in some order and calendar may mean the same."""
    assume({day.year % 100, day.month, day.day}.isdisjoint({other.year % 100, other.month, other.day}))
    assert not is_spelled_in(f"It was {other:%d %B %Y} then.", [Value("DOB", day.isoformat())])


REGIONS = sorted(
    region
    for region in phonenumbers.SUPPORTED_REGIONS
    if (number := phonenumbers.example_number(region)) and len(str(number.national_number)) >= 7
)
FORMATS = (
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.NATIONAL,
    phonenumbers.PhoneNumberFormat.RFC3966,
)


@settings(max_examples=examples(300), deadline=None)
@given(
    st.sampled_from(REGIONS),
    st.sampled_from(FORMATS),
    st.sampled_from(FORMATS),
    st.sampled_from(sorted(CODINGS)),
)
def test_a_number_of_any_country_is_known(region: str, masked: int, spelled: int, coding: str) -> None:
    """In each of its formats, and in each coding of them."""
    number = phonenumbers.example_number(region)
    assert number is not None
    value, other = phonenumbers.format_number(number, masked), phonenumbers.format_number(number, spelled)
    if "rot13" not in coding and "mathematical" not in coding:
        text = CODINGS[coding](other.removeprefix("tel:"))
        assert is_spelled_in(f"Call {text} now.", [Value("PHONE", value)]), (value, text)


NAMES = st.from_regex(r"[a-z]{3,10}\.[a-z]{3,10}@[a-z]{4,10}\.example", fullmatch=True)


@settings(max_examples=examples(400), deadline=None)
@given(NAMES, st.sampled_from(sorted(CODINGS)), st.sampled_from(sorted(CODINGS)))
def test_one_coding_in_another_is_known(value: str, inner: str, outer: str) -> None:
    """But for what is no coding of the other's characters."""
    if {inner, outer}.isdisjoint(AS_LETTERS):
        both = CODINGS[outer](CODINGS[inner](value))
        assert is_spelled_in(f"It was {both} here.", [Value("EMAIL", value)]), both


@pytest.mark.parametrize("before", ["", "was", "(", "="])
@pytest.mark.parametrize("behind", ["", "here.", ")", ";"])
def test_ascii85_is_known_beside_what_it_touches(before: str, behind: str) -> None:
    """The marks of its ends part it from the rest."""
    coded = base64.a85encode(MAIL.encode(), adobe=True).decode()
    assert is_spelled_in(f"It {before}{coded}{behind}", [Value("EMAIL", MAIL)])


@pytest.mark.parametrize("coding", ["base64", "base85", "ascii85", "base32"])
def test_the_space_behind_an_escape_parts_it_from_prose(coding: str) -> None:
    """CSS lets a space end an escape, prose means one by it."""
    spelled = CODINGS["CSS"](CODINGS[coding]("bob@mail.example"))
    assert is_spelled_in(f"{spelled} here.", [Value("EMAIL", "bob@mail.example")])


def test_a_backslash_that_escapes_nothing_adds_no_reading() -> None:
    """A path of Windows is read as it is written."""
    assert variants("Open \\\\server\\notes\\letter.txt, please.") == [
        "Open \\\\server\\notes\\letter.txt, please."
    ]


AS_LETTERS = {
    "in capitals", "backwards", "letter by letter", "with marks", "with invisible marks", "rot13",
    "full width", "mathematical letters", "UTF-7", "tags", "selectors", "bits without width", "flags",
    "in black boxes",
}  # fmt: skip
"""Changes to letters; of the coded text they make something else."""

INNOCENT = (
    "Please plan the meeting of the 14 March 2031 for 12 people, order 48 boxes and 1500 labels at 3.20.",
    '{"title": "Order", "properties": {"email_1": {"type": "string"}, "phone": {"enum": ["home", "work"]}}}',
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 of build 20310412",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "def area(r): return 3.14159265358979 * r ** 2  # see https://docs.example/math#area",
    "Gr\u00fc\u00dfe aus K\u00f6ln, \u041f\u0440\u0438\u0432\u0435\u0442, \u4f60\u597d",
)


@pytest.mark.parametrize("text", INNOCENT)
def test_what_has_nothing_of_the_values_may_go(text: str) -> None:
    """A doubt that held always would be no mask at all."""
    values = [
        Value("EMAIL", MAIL),
        Value("PHONE", PHONE),
        Value("DOB", BORN.isoformat()),
        Value("PERSON", "Tove Lind"),
        Value("CREDIT_CARD", "5105 1051 0510 5100"),
        Value("IP", "203.0.113.77"),
    ]
    assert not is_spelled_in(text, values)


def test_quoted_printable_with_soft_breaks() -> None:
    """As a mail program writes it."""
    body = quopri.encodestring(f"{'x' * 66}{MAIL}".encode(), quotetabs=True).decode()
    assert "=\n" in body
    assert is_spelled_in(body, [Value("EMAIL", MAIL)])


def test_more_than_can_be_read_is_a_doubt() -> None:
    """Codings one within the other, until they are more than what was written."""
    assert variants("%2525252540") is not None
    assert is_spelled_in("%" + "25" * 4000 + "40", [Value("EMAIL", MAIL)])
