"""Splits field names such as `dateOfBirth` and `nr_pesel` into words, which name a value."""

import re
from collections.abc import Iterator
from itertools import pairwise

from gateway.domain.text.pattern import Pattern, as_seen
from gateway.privacy.detector import digits_in
from gateway.privacy.normalize import NO_OFFSET, NormalText

NUMBER_WORDS = (
    r"ssn|social|secur|birth|dob|born|geb|nac|naiss|nasc|urodz|data[ _]?ur|phone|mobil|m[o\xf3]vil|cell|tel"
    r"|fax|whatsapp|contact|account|acct|konto|routing|aba|sort|iban|bank|card|cc|credit|debit|pan|pesel|nip"
    r"|regon|passport|paszport|pasaporte|reisepass|passe|licen[cs]|driv|f(?:\xfc|ue)hrerschein|national|citizen"
    r"|nation|tax|steuer|insur|versicher|nhs|nino|aadha|uid|bsn|burger|cpf|cnpj|curp|rfc|ident|ausweis|medic"
    r"|patient|member|subscriber|policy|plate|kennzeichen|vin|vehicle|chassis|person|fiscal|dni|nie|nif|nir|cuit"
    r"|r[ug]t|ruc|egn|cnp|oib|tin|ein|itin|sin|nric|fin|gst|vat|abn|tfn|npi|dea|mrn|address|adres|street"
    r"|anschrift|kimlik|teudat|my[ _]?num|visa|handy|puhelin|tlf|tfn|gsm|f[o\xf8\xf6]ds?els|syntym|naroz"
    r"|narod|lahir|sz[u\xfc]let|do.um|na.ter|n\xe9e?\b|karte|kart[ye]\b|tarjeta|carta\b|carte\b|cart[a\xe3]o|rufnr|rufnum"
    r"|placa|targa|kenteken|plaka|rejestr|rendsz|rekisteri|pasap"
    r"|matr[i\xed]cul|immatric|rekening|compte|cuenta|conta|rachun|hesap|ehliyet|sofor|dow[o\xf3]d"
    r"|paspo|legitym|c[e\xe9]dul|assur|segur|permis|titre|matrik|k[o\xf6]rkort|f\xf8rer|ajokort|henkil|rodn"
    r"|cnic|rrn|phn|npwp"
)
"""Parts of the words that detectors look for near a number; a superfluous one only costs time."""
CONTEXT_WORDS = (
    NUMBER_WORDS
    + r"|pass|pwd|secret|token|credential|key|kennwort|contrase|clave|senha|wachtwoord|l[o\xf6]senord"
    r"|adgangskode|kodeord|salasana|heslo|haslo|jelsz|geslo|lozinka|parol|\x1a|\x1c"
)
"""NUMBER_WORDS, and parts of words that name a secret."""

_LITERAL = r"\b[A-Z]{0,2}\d{9,34}(?:n|[uU]?[lL]{1,2}|[lL]{1,2}[uU]|_?[iu](?:32|64)|[A-Z]{3})\b"
"""A number with a type suffix of a program, or with a currency code."""
_TYPE = re.compile(r"(?<=\d{9})(?:_?[iu]\d\d|[A-Za-z]{1,3})$")
_CAPITALS = r"[A-Z]{2,6}[A-Z][a-z]+"
_FIELD = Pattern(
    r"\b(?:[A-Za-z]*(?:[a-z][A-Z]|[A-Z]{2}[a-z])|[A-Za-z]+_[A-Za-z])[A-Za-z_]*(?:_?\d{1,2})?\b"
    rf"|\b(?:[A-Za-z]{{4,}}|[A-Z]{{3}})_?\d{{1,2}}\b|\b[A-Za-z_]{{3,30}}\d{{3,}}\b|{_LITERAL}"
)
FIELD_PREFILTER = (
    rf"\b(?:[A-Za-z]+_)*(?:{NUMBER_WORDS})[a-z]*(?:_[a-z]|_?\d{{1,2}}\b|\d{{3}})|[a-z]_(?:{NUMBER_WORDS})"
    rf"|(?-i:\b[A-Za-z]?[a-z]+(?:[A-Z][a-z]+|[A-Z]{{2,6}})+\d{{0,2}}\b|\b{_CAPITALS}|{_LITERAL})"
)
"""A case-insensitive pattern of each text that `fields_as_words` changes."""
_PREFILTER = Pattern(FIELD_PREFILTER, ignore_case=True)
_CAMEL = Pattern(rf"\b(?:[A-Za-z]?[a-z]+(?:[A-Z][a-z]+|[A-Z]{{2,6}})+|{_CAPITALS}[A-Za-z]*)\b")
_NAMES = Pattern(rf"(?:^| )(?:{NUMBER_WORDS})", ignore_case=True)
_MIN_PART = 2
FIELD_DIGITS = 4
"""The least digits in a line and the next; with fewer there is no value to name."""


def fields_as_words(normal: NormalText) -> NormalText | None:
    """Return the lines with field names, split into words, and the line after each; None without one."""
    text = normal.text
    pieces: list[str] = []
    origins: list[int] = []
    seen: dict[str, list[tuple[int, bool]]] = {}
    for start, end in _lines_with_fields(text):
        words, places = _parted(text[start:end], seen)
        if words == text[start:end]:
            continue
        lead = "\n\n" if pieces else ""
        pieces += [lead, words]
        origins += [NO_OFFSET] * len(lead)
        origins += [NO_OFFSET if at < 0 else start + at for at in places]
    if not pieces:
        return None
    if normal.offsets is not None:
        origins = [NO_OFFSET if at < 0 else normal.offsets[at] for at in origins]
    return NormalText("".join(pieces), tuple(origins), is_of_fields=True)


def _lines_with_fields(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of lines that may have field names, each with the next line, if they have digits."""
    encoded = as_seen(text)
    start = end = 0
    place = _PREFILTER.place(encoded, 0)
    while place is not None:
        if place[0] >= end:
            if digits_in(text[start:end]) >= FIELD_DIGITS:
                yield start, end
            start = text.rfind("\n", 0, place[0]) + 1
        line = _end_of_line(text, place[1])
        end = _end_of_line(text, line + 1)
        place = _PREFILTER.place(encoded, line) if line < len(text) else None
    if digits_in(text[start:end]) >= FIELD_DIGITS:
        yield start, end


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _parted(text: str, seen: dict[str, list[tuple[int, bool]]]) -> tuple[str, list[int]]:
    """Return a text with spaces in its field names, and the original offset of each character.

    `seen` caches the joints of each name.
    """
    pieces: list[str] = []
    origins: list[int] = []
    done = 0
    for first, last in _FIELD.places(text):
        name = text[first:last]
        if name not in seen:
            seen[name] = _parts(name)
        for joint, is_mark in seen[name]:
            at = first + joint
            pieces += [text[done:at], " "]
            origins += [*range(done, at), at if is_mark else NO_OFFSET]
            done = at + is_mark
    return "".join([*pieces, text[done:]]), [*origins, *range(done, len(text))]


def _parts(name: str) -> list[tuple[int, bool]]:
    """Return the joints of a field name, or of a number and its type suffix; none for other text."""
    number_type = _TYPE.search(name)
    if number_type:
        return [(number_type.start(), False)]
    return _joints(name) if _is_field(name) else []


def _is_field(name: str) -> bool:
    """Whether a name consists of words, one of which begins like a context word."""
    words = split_words(name)
    return all(len(word) >= _MIN_PART or word.isdigit() for word in words.split()) and _NAMES.is_in(words)


def joined_words_apart(text: str) -> str:
    """Return a text with words split at underscores and capitals; offsets change."""
    done, pieces = 0, []
    for start, end in _CAMEL.places(text):
        pieces += [text[done:start], split_words(text[start:end])]
        done = end
    return "".join([*pieces, text[done:]]).replace("_", " ")


def split_words(name: str) -> str:
    """Return a name with a space at each joint."""
    done, pieces = 0, []
    for at, is_mark in _joints(name):
        pieces.append(name[done:at])
        done = at + is_mark
    return " ".join([*pieces, name[done:]])


def _joints(name: str) -> list[tuple[int, bool]]:
    """Return the joints of a name, and whether each is an underscore."""
    found = [(at, True) for at, char in enumerate(name) if char == "_" and 0 < at < len(name) - 1]
    for at, (one, other) in enumerate(pairwise(name), start=1):
        follows = name[at + 1 :]
        is_last_capital = one.isupper() and other.isupper() and follows[:1].islower() and follows != "s"
        if is_last_capital or (one.islower() and other.isupper()) or (one.isalpha() and other.isdigit()):
            found.append((at, False))
    return sorted(found)
