"""Translates words that name private data from other scripts into English, which detectors know.

A pattern sees a question mark for each character beyond Latin-1. With the variant that this module makes,
field names, context words and questions in these languages count.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detectors.value_names import scripts
from gateway.privacy.normalize import Edit, NormalText, rewritten

_NAMES: Mapping[str, str] = {
    "phone number": (
        "手机号码 手机号 手機號碼 手機號 电话号码 電話號碼 联系电话 聯絡電話 電話番号"
        " 携帯番号 전화번호 연락처 핸드폰번호"
        " 휴대폰 เบอร์โทรศัพท์ เบอร์โทร เบอร์มือถือ โทร телефон телефона мобильный"
        " رقم_الهاتف رقم_هاتف رقم_الجوال"
        " رقم_الموبايل شماره_تلفن شماره_موبایل מספר_טלפון טלפון פון_נייד फोन_नंबर"
        " मोबाइल_नंबर फ़ोन_नंबर τηλέφωνο"
        " số_điện_thoại điện_thoại τηλ κινητό тел моб сотовый факс 제_번호 내_번호 私の番号"
        " 我的号码 мой_номер мій_номер הנייד_שלי رقمي मेरा_नंबर เบอร์ของฉัน"
    ),
    # Phones are also sold and counted: with a comma the number must also be valid in a country.
    "phone,": "电话 電話 手机 手機 携帯 전화 هاتف फोन फ़ोन",
    "call": (
        "позвоните звоните позвони набери зателефонуйте 请拨打 拨打 致电 联系我 お電話 연락주세요 연락"
        " اتصل_بي اتصل תתקשר_אליי התקשרו कॉल_करें โทรหา"
    ),
    "ext": "доб внутр 分机 內線 内線 내선 שלוחה",
    "date of birth": (
        "出生日期 出生年月日 生年月日 誕生日 生日 생년월일 생일 дата_рождения"
        " дату_рождения даты_рождения"
        " дата_народження дату_народження дата_на_раждане датум_рођења датум_на_раѓање"
        " วันเกิด วันเดือนปีเกิด تاريخ_الميلاد تاريخ_ميلاد"
        " تاریخ_تولد תאריך_לידה"
        " जन्म_तिथि जन्मतिथि ημερομηνία_γέννησης ngày_sinh datę_urodzenia doğum_tarihi datum_narození"
        " születési_dátum data_nașterii data_naşterii"
    ),
    "born": "родился родилась народився народилася urodził_się urodziła_się urodził urodziła เกิดวันที่",
    "id card number": "身份证号码 身份证号 身份证 身分證 证件号码",
    "individual number": "マイナンバー 個人番号",
    "resident registration number": "주민등록번호 주민번호",
    "national id": (
        "снилс номер_паспорта єдиний_номер หมายเลขบัตรประชาชน เลขบัตรประชาชน"
        " เลขประจำตัวประชาชน บัตรประชาชน رقم_الهوية الرقم_القومي"
        " الرقم_الوطني کد_ملی амка αμκα căn_cước số_căn_cước"
    ),
    "tax id": "инн рнокпп іпн αφμ",
    "egn": "егн",
    "teudat zehut": "תעודת_זהות מספר_זהות",
    "aadhaar": "आधार",
    "passport number": (
        "护照号码 护照号 护照 護照號碼 パスポート番号 旅券番号 여권번호 เลขหนังสือเดินทาง رقم_الجواز מספר_דרכון"
    ),
    "card number": (
        "银行卡号 信用卡号 卡号 カード番号 카드번호 номер_карты номер_картки หมายเลขบัตร"
        " رقم_البطاقة מספר_כרטיס"
    ),
    "bank account number": (
        "银行账号 银行账户 銀行帳號 口座番号 계좌번호 номер_счета номер_счёта"
        " номер_рахунку เลขที่บัญชี رقم_الحساب"
        " מספר_חשבון"
    ),
}
"""The words for each kind of data; an underscore is a space."""
_SCRIPTS = dict(scripts())
_WORDS = {
    english: tuple(
        word.replace("_", " ") for word in f"{_NAMES.get(english, '')} {_SCRIPTS.get(english, '')}".split()
    )
    for english in _NAMES | _SCRIPTS
}


def _source(word: str) -> str:
    return re.escape(word).replace(r"\ ", "[ _]")


_YEAR = "[0-9] ?(?:年|년)"
_ANY = Pattern(
    "|".join(_source(word) for each in _WORDS.values() for word in each).encode().decode("latin-1")
    + f"|{_YEAR.encode().decode('latin-1')}"
)
"""For text in UTF-8."""
_SHORT = 4
"""A word of at most this many letters may be a part of another word."""
_LINK = r"(?:[^\x00-\x7f]{1,6}(?=[\s:=\"'(]{0,4}[+\d]))?"
"""What connects the word to its value: a particle, a colon of the script."""
_DATE = r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일]?"


def in_english(normal: NormalText) -> NormalText | None:
    """Return the text with these words in English, and dates with dashes; None if there are none."""
    text = normal.text
    if text.isascii():
        return None
    text = text.replace("_", " ")
    lowered = text.lower()
    if not _ANY.is_in(lowered.encode()):
        return None
    return rewritten(normal, _edits(text, lowered), is_of_fields=True)


def _edits(text: str, lowered: str) -> Iterator[Edit]:
    spaced = lowered.replace("_", " ")
    names, pattern = _pattern(tuple(word for each in _WORDS.values() for word in each if word in spaced))
    for found in pattern.finditer(text):
        group = found.lastindex or 0
        if group <= len(names):
            start, end = found.span()
            yield Edit(start, end, f" {names[group - 1]}" + " " * text[end : end + 1].isalnum())
        else:
            (_, year), (month, month_end), (day, day_end) = map(found.span, (group - 2, group - 1, group))
            yield from (Edit(year, month, "-"), Edit(month_end, day, "-"), Edit(day_end, found.end(), ""))


@lru_cache(maxsize=64)
def _pattern(present: tuple[str, ...]) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """Return the English names, and a pattern with one group for each, and three for dates."""
    sources = {}
    for english, words in _WORDS.items():
        those = sorted((word for word in words if word in present), key=len, reverse=True)
        if those:
            sources[english] = "|".join(
                rf"\b{_source(word)}\b" if _is_short(word) else _source(word) for word in those
            )
    words_source = "|".join(f"({source})" for source in sources.values())
    named = f"(?:{words_source}){_LINK}|" if sources else ""
    return tuple(sources), re.compile(named + _DATE, re.IGNORECASE)


def _is_short(word: str) -> bool:
    """Whether a word may be a part of another word, in a script with spaces."""
    return len(word) <= _SHORT and word < "\u0e00"
