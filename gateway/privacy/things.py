"""Says whether the words right before a number name something that is nobody's: an order, a part, a firm."""

import re

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detectors.value_names import source_of, words_of

THING_WORDS = source_of(words_of("things", "thing"))
"""A pattern for names of things, for text in the encoding of patterns."""
_NUMBER_WORDS = source_of(words_of("links", "number"), is_joined=True)
NUMBER_AFTER = rf"[ \t\x1f.'(\[-]{{0,2}}(?:{_NUMBER_WORDS}|#|n[o?\xb0\xba]\.?|n\.)[.)]?"
"""A word for "number" behind the name of a document or a thing."""
BEING = rf"[ \t\"')]{{1,3}}(?:{source_of(words_of('links', 'being'))})"
"""A word for "is" between a name and a number."""
MARKS = r"[ \t\r\x1f\"'*`()\[\]|:=#>~?/-]{0,8}[ .]{0,60}"
"""What may be between a name and a number."""

_TAGS = r"(?:</[a-z]{1,12}>[ \t\r]*\n?[ \t]*<[a-z]{1,12}[^<>\n]{0,60}>)?"
_BEHIND = rf"(?:{NUMBER_AFTER}|[ _\x1f-]?(?:at|id))?(?:{NUMBER_AFTER})?[.:]?(?:{BEING})?{_TAGS}{MARKS}$"
_FURTHER_WORDS = source_of((*words_of("things", "further"), *words_of("things", "measured")))
_MARK = "\x1d"
"""Replaces each character of a word in another script; no text contains it."""
HEADS = (
    r"order|ordre|ordin|bestel|auftr|invoice|rechn|fa[ct]t?ur|bill|receipt|beleg|parcel|ship|track|sendung|paket|paquet|colis"
    r"|zending|przesy|z\xe1sil|ticket|case|issue|inciden|dossier|zaak|spraw|booking|reserv|rezerw|prenot|buchung|part|p/n"
    r"|sku|item|artik|artic|serial|seri[ae]|s/n|batch|lot|charge|model|catalog|katalog|ean|gtin|upc|isbn|barcode|strich"
    r"|commande|encomend|pedido|zam\xf3|zam\?|objedn|siparis|sipari\?|comand|tilaus|rendel|cikksz|vat|hrb|handelsreg|siren"
    r"|siret|tva|cif|kvk|btw|regon|krs|cvr|i\?o\b|di\?\b|version|build|release|timestamp|amount|price|total|\x1d"
)
"""Beginnings of the names of things in the heads of columns; a superfluous one only costs time."""
_OTHER = Pattern(rf"(?:\b|[_\x1f])(?:{THING_WORDS}|{_FURTHER_WORDS}){_BEHIND}", ignore_case=True)
_FIRM = Pattern(rf"(?:\b|[_\x1f])(?:{source_of(words_of('things', 'firm'))}){_BEHIND}", ignore_case=True)
_LETTER = r"[\x80-\xff]"
_STEMS = "|".join(
    word.replace("_", "[ _-]?").encode().decode("latin-1") for word in words_of("things", "script")
)
_SCRIPT_BEHIND = rf"{_LETTER}{{0,24}}(?:[ _]{_LETTER}{{1,24}})?[ \t\"'*`()\[\]|:=#>_.-]{{0,8}}$"
_OTHER_SCRIPT = Pattern(rf"(?:{_STEMS}){_SCRIPT_BEHIND}")
_ANY_STEM = Pattern(_STEMS)
_STEM = re.compile(
    "|".join(f"{word.replace('_', '[ _-]?')}" for word in words_of("things", "script")) or "(?!)"
)
_CHARS = 72
_MARKED = re.compile(f"{_MARK}+")
_EPOCH_DIGITS = (10, 13, 16, 19)
_EAN_DIGITS = 13


def with_marks(text: str) -> str:
    """Return a text with marks in place of names of things in other scripts; offsets do not change."""
    if text.isascii() or not _ANY_STEM.is_in((lowered := text.lower()).encode("utf-8", "replace")):
        return text
    if len(lowered) != len(text):
        lowered = text
    pieces, done = [], 0
    for found in _STEM.finditer(lowered):
        pieces += [text[done : found.start()], _MARK * len(found[0])]
        done = found.end()
    return "".join([*pieces, text[done:]])


def is_of_something_else(text: str, at: int) -> bool:
    """Whether the words right before a number at a place name something that is nobody's: an order."""
    near = text[max(0, at - _CHARS) : at].replace("_", "\x1f")
    if _OTHER.is_in(near):
        return True
    return not near.isascii() and _OTHER_SCRIPT.is_in(near.lower().encode("utf-8", "replace"))


def is_of_firm(text: str, at: int) -> bool:
    """Whether the words right before a number at a place name the number of a firm."""
    return _FIRM.is_in(text[max(0, at - _CHARS) : at].replace("_", "\x1f"))


def in_words(name: str) -> str:
    """Return the head of a column with a word in place of marks."""
    return _MARKED.sub("order", name)


def is_epoch(written: str) -> bool:
    """Whether bare digits are a time from 2001 to 2033 in seconds, milli-, micro- or nanoseconds."""
    return len(written) in _EPOCH_DIGITS and written.isdigit() and "10" <= written[:2] <= "19"


def has_ean_digit(digits: str) -> bool:
    """Whether thirteen digits are those of an article (GS1 General Specifications, 7.9), as 1 in 10 are."""
    if len(digits) != _EAN_DIGITS:
        return False
    codes = digits.encode("ascii")
    return (sum(codes[::2]) + 3 * sum(codes[1::2]) - (7 + 3 * 6) * ord("0")) % 10 == 0
