"""Words of other scripts name a value as English words do: as a key, in a sentence, in a question."""

import random

import phonenumbers
import pytest
from stdnum.cn import ric
from stdnum.jp import in_ as my_number

from gateway.domain.conversation import Message, Role
from gateway.domain.privacy import PrivacyClass
from gateway.domain.request import Request
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.privacy.normalize import NO_OFFSET, normalise
from gateway.privacy.other_scripts import in_english
from tests.support.fakes import FakeClock

SCORER = PrivacyScorer(PrivacyPolicy(), clock=FakeClock())


def digits(rng: random.Random, count: int) -> str:
    """Return that many digits."""
    return "".join(rng.choices("123456789", k=count))


def phone(region: str, rng: random.Random) -> str:
    """Return a mobile number of a region, as it is dialled there."""
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    national = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(filter(str.isdigit, national))[:-4] + digits(rng, 4)


def right(module: object, rng: random.Random, head: str, count: int) -> str:
    """Return digits that begin with `head` and that a module of stdnum accepts."""
    while True:
        number = head + "".join(rng.choices("0123456789", k=count))
        if module.is_valid(number):  # type: ignore[attr-defined]
            return number


def date(rng: random.Random) -> tuple[str, str, str]:
    """Return year, month and day."""
    return str(rng.randrange(1940, 2009)), str(rng.randrange(1, 13)), str(rng.randrange(1, 29))


def made(kind: str, rng: random.Random) -> str:
    """Return a value of a kind."""
    year, month, day = date(rng)
    values = {
        "CN id": lambda: right(ric, rng, f"110101{year}{month:0>2}{day:0>2}", 4),
        "JP id": lambda: right(my_number, rng, digits(rng, 11), 1),
        "id": lambda: digits(rng, 13),
        "CJK date": lambda: f"{year}年{month}月{day}日",
        "KR date": lambda: f"{year}년 {month}월 {day}일",
        "date": lambda: f"{day:0>2}.{month:0>2}.{year}",
    }
    return values[kind]() if kind in values else phone(kind, rng)


NAMED: list[tuple[str, str, str]] = [
    ("PHONE", "手机号", "CN"),
    ("PHONE", "電話番号", "JP"),
    ("PHONE", "전화번호", "KR"),
    ("PHONE", "เบอร์โทร", "TH"),
    ("PHONE", "Телефон", "RU"),
    ("PHONE", "رقم الهاتف", "SA"),
    ("PHONE", "טלפון", "IL"),
    ("PHONE", "số điện thoại", "VN"),
    ("NATIONAL_ID", "身份证号", "CN id"),
    ("NATIONAL_ID", "マイナンバー", "JP id"),
    ("NATIONAL_ID", "เลขบัตรประชาชน", "id"),
    ("NATIONAL_ID", "الرقم القومي", "id"),
    ("NATIONAL_ID", "ИНН", "id"),
    ("DOB", "出生日期", "CJK date"),
    ("DOB", "生年月日", "CJK date"),
    ("DOB", "생년월일", "KR date"),
    ("DOB", "Дата рождения", "date"),
    ("DOB", "datę urodzenia", "date"),
    ("DOB", "doğum tarihi", "date"),
    ("DOB", "ngày sinh", "date"),
]
FORMS = ('{{"{0}":"{1}"}}', "{0}: {1}", "{0}\uff1a{1}", "id,{0}\n7,{1}", "<{0}>{1}</{0}>", "x\n{0} {1}\ny")
GLUED = ("{0}{1}です", "我的{0}是{1}。", "{0}{1}", "({0}は{1})")
WITHOUT_SPACES = "\u0e00"


@pytest.mark.parametrize(("kind", "word", "value"), NAMED)
def test_a_word_of_another_script_names_a_value(kind: str, word: str, value: str) -> None:
    """Whatever joins the two: marks of data, or, in scripts without spaces, nothing."""
    rng = random.Random(word)
    forms = (*FORMS, *GLUED) if word[0] >= WITHOUT_SPACES else FORMS
    for form in forms:
        for _ in range(8):
            written = made(value, rng)
            text = form.format(word, written)
            places = [text[f.start : f.end] for f in SCORER.score_text(text).findings if f.type == kind]
            assert places, form
            assert all(place in written for place in places)


@pytest.mark.parametrize(("kind", "word", "value"), NAMED)
def test_a_question_in_another_script_reaches_a_later_answer(kind: str, word: str, value: str) -> None:
    """As questions in English do, at any distance."""
    rng = random.Random(word)
    for between in ((), ("ok", "42"), ("ok", "thanks") * 6):
        contents = (f"{word}?", *between, made(value, rng))
        messages = tuple(Message(role=Role.USER, content=content) for content in contents)
        findings = SCORER.score(Request(request_id="r", tenant="t", messages=messages)).findings
        assert (kind, len(contents) - 1) in {(f.type, f.message_index) for f in findings}


@pytest.mark.parametrize(
    "text",
    [
        "手机销量12345678台",
        "会议在2025年3月12日10点",
        "電話機の価格は1,234,567円です",
        "조회수 123,456,789회, 2025년 3월 12일",
        "телефоны проданы: 12 345",
        "订单号202503121011123456",
        "ราคา 1,234 บาท โทรทัศน์",
        "他的生日是星期五",
    ],
)
def test_counts_and_days_beside_such_words_stay_public(text: str) -> None:
    """What is sold, seen or planned is nobody's number or date."""
    assert SCORER.score_text(text).privacy_class is PrivacyClass.PUBLIC


def test_the_reading_keeps_every_place() -> None:
    """What it has from the text stands where its places say; what it adds stands nowhere."""
    text = "a\u200b電話番号は090-1234-5678、生年月日は1987年4月12日です\n電話 5"
    reading = in_english(normalise(text))
    assert reading is not None
    assert reading.offsets is not None
    kept = [(char, at) for char, at in zip(reading.text, reading.offsets, strict=True) if at != NO_OFFSET]
    assert all(text[at] == char for char, at in kept)
    assert "phone number 090-1234-5678" in reading.text
    assert "date of birth 1987-4-12" in reading.text
    assert in_english(normalise("電報は2025年")) is None
