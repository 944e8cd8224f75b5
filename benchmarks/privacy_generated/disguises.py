"""Forms that hide a value: encodings, words for digits, marks between signs, other alphabets, broken lines."""

import base64
import quopri
from collections.abc import Callable, Iterator
from random import Random
from urllib.parse import quote

from benchmarks.privacy_generated.value import Fields, Form, Part

_DIGITS = {
    "en": "zero one two three four five six seven eight nine",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "pl": "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć",
}
_NUMBERS = frozenset({"PHONE", "CREDIT_CARD", "US_SSN", "NATIONAL_ID", "IBAN", "BANK_ACCOUNT"})
_LATIN = "aceopxyABCEHKMOPTX"
_CYRILLIC = "асеорхуАВСЕНКМОРТХ"
_LETTERS = frozenset({"EMAIL", "SECRET", "PERSON", "IBAN", "URL"})


def forms() -> Iterator[Form]:
    """Yield a form for each disguise; all name what they hide."""
    encodings: dict[str, Callable[[str], str]] = {
        "base64": lambda text: base64.b64encode(text.encode()).decode(),
        "base64 in URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        "hexadecimal": lambda text: text.encode().hex(),
        "hexadecimal, escaped": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
        "URL encoding": lambda text: quote(text, safe=""),
        "URL encoding of all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
        "HTML entities": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
        "HTML entities of marks": lambda text: "".join(sign if sign.isalnum() else f"&#{ord(sign)};" for sign in text),
        "HTML entities in hexadecimal": lambda text: "".join(f"&#x{ord(sign):x};" for sign in text),
        "escapes": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
        "escapes of marks": lambda text: "".join(sign if sign.isalnum() else f"\\u{ord(sign):04x}" for sign in text),
        "quoted-printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode().replace("=\n", ""),
        "quoted-printable of marks": lambda text: "".join(sign if sign.isalnum() else f"={byte:02X}" for sign in text for byte in sign.encode()),
        "full width": lambda text: "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text),
        "spaces between": lambda text: " ".join(text.replace(" ", "")),
        "dots between": lambda text: ".".join(text.replace(" ", "")),
        "dashes between": lambda text: "-".join(text.replace(" ", "")),
        "zero-width spaces between": lambda text: "\u200b".join(text),
        "split over lines": lambda text: f"{text[: len(text) // 2]}\n{text[len(text) // 2 :]}",
        "split by a hyphen": lambda text: f"{text[: len(text) // 2]}-\n{text[len(text) // 2 :]}",
    }  # fmt: skip
    for name, encode in encodings.items():
        for form, write in {"sentence": _sentence, "line": _line, "JSON": _json}.items():
            yield Form(name=f"{name}, {form}", family=name, write=write, encode=encode, is_disguise=True)
    for name, encode in {"homoglyphs": _homoglyphs}.items():
        yield Form(name=name, family=name, write=_sentence, encode=encode, types=_LETTERS, is_disguise=True)
    yield Form(name="l and O for digits", family="l and O for digits", write=_line, types=_NUMBERS, is_disguise=True,
               encode=lambda text: text.replace("1", "l").replace("0", "O"))  # fmt: skip
    for lang, words in _DIGITS.items():
        yield Form(
            name=f"words for digits, {lang}", family="words for digits", write=_sentence, encode=_spelled(words.split()),
            types=_NUMBERS, is_disguise=True,
        )  # fmt: skip


def _homoglyphs(text: str) -> str:
    return text.translate(str.maketrans(_LATIN, _CYRILLIC))


def _spelled(words: list[str]) -> Callable[[str], str]:
    return lambda text: " ".join(
        words[int(sign)] if sign in "0123456789" else sign for sign in text if sign.isalnum()
    )


def _sentence(fields: Fields, random: Random) -> list[Part]:
    return [f"my {fields.main.label} is ", fields.main, " as I said"]


def _line(fields: Fields, random: Random) -> list[Part]:
    return [f"{fields.main.label}: ", fields.main]


def _json(fields: Fields, random: Random) -> list[Part]:
    return [f'{{"{fields.main.label}": "', fields.main, '"}']
