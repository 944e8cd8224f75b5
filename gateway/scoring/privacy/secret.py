"""Credentials: keys of known form, private keys, logins in URLs and headers, and what a name assigns."""

import math
from collections import Counter
from collections.abc import Callable, Iterator

from gateway.scoring.pattern import Pattern, PatternSet
from gateway.scoring.privacy.detector import CERTAIN, CHECKED, LIKELY, PROBABLE, Match, end_of_paragraph
from gateway.scoring.privacy.secret_formats import FORMATS

_KNOWN = Pattern(r"\b(?:" + "|".join(FORMATS) + ")")
_PRIVATE_KEY = Pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_LOGIN_URL = Pattern(
    r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:@/\"'<>]{0,64}:([^\s@/\"'<>]{1,128})@[A-Za-z0-9\[]"
)
_LOGIN_WORDS = r"pass(?:word|wd|phrase|code|\b)|pwd|passwort|contrase[n\xf1]a|mot de passe|has[l?]o"
_NAME = (
    rf"(?:{_LOGIN_WORDS}|secret|token|credentials?|bearer|api[ _-]?key|app[ _-]?key|access[ _-]?key"
    r"|auth(?:entication)?[ _-]?key|private[ _-]?key|secret[ _-]?key|account[ _-]?key|encryption[ _-]?key"
    r"|signing[ _-]?key|shared[ _-]?key|master[ _-]?key|license[ _-]?key|[_-]key)"
)
_OPERATOR = r"(?: [a-z]{3,12})?[ \t]{0,8}(?:[?.:|+~]{0,3}=>?|={2,3}|:|<=|\bis\b)[ \t]{0,8}"
_ASSIGNED = Pattern(
    rf"((?:[a-z0-9]+[._-]){{0,6}}[a-z0-9]*{_NAME}(?:[._-]?[a-z0-9_.-]{{0,30}})?)"
    rf"(?:[\"'\]]{{0,2}}{_OPERATOR}(?:[\"'`]|\\\")?|[\"'],[ \t]{{0,8}}[\"'])([^\s\"'`\\,;<>(){{}}]{{6,200}})",
    ignore_case=True,
)
_ELEMENT = Pattern(
    rf"<([a-z0-9._-]*{_NAME}[a-z0-9._-]*)>[ \t]*\n?[ \t]*([^\s<>]{{6,200}})[ \t]*\n?[ \t]*</",
    ignore_case=True,
)
_HEADER = Pattern(
    r"\b(?:authorization|x-api-key|x-auth-token)[\"']?[ \t]*[:=][ \t]*[\"']?"
    r"(?:(?:bearer|basic|token|apikey)[ \t]+)?([A-Za-z0-9._~+/=-]{12,})"
    r"|\bbearer[ \t]+([A-Za-z0-9._~+/=-]{20,})",
    ignore_case=True,
)
_COMMAND = Pattern(
    r"\bcurl\b[^\n]{0,400}?[ \t](?:-u|--user)[ =]?[ \t]*[\"']?[^\s:\"']{1,64}:([^\s\"'@]{4,128})"
)
_PLACEHOLDER = Pattern(
    r"^(?:<.*>|[\[$%{#].*|your.*|my[-_ ].*|example.*|change[-_]?me.*|placeholder.*|todo|none|null|nil"
    r"|undefined|true|false|string|required|optional|secret|password|passwd|token|testing?|redacted|hidden"
    r"|foo|bar|dummy.*|sample.*"
    r"|(?:os|process|env|config|settings|self|this|args|request|var|data|local)\..*)$"
    r"|x{6}|\*{3}|\.{3}|(?:put|insert)_your",
    ignore_case=True,
)
_WORDS = Pattern(r"^[A-Za-z]+(?:[._/-][A-Za-z]+)*$")
_KEY_BITS = 2.8
"""Bits a character (Shannon) that a random key has and a word, a path or a counter has not."""
_PASSWORD_BITS = 2.2
_LEAST_KEY = 10
_LEAST_BODY = 20
_LONGEST_BODY = 8192


class SecretDetector:
    """Finds credentials: what would let somebody in."""

    types = ("SECRET",)

    def find(self, text: str) -> Iterator[Match]:
        """Yield the credentials, without the names and quotes around them."""
        for index in _SIGNS.matching(text):
            yield from _KINDS[index][1](text)


def _known(text: str) -> Iterator[Match]:
    for span in _KNOWN.find(text):
        written = text[span.start : span.end]
        if not is_placeholder(written) and (any(map(str.isdigit, written)) or not written.startswith("sk-")):
            yield _match(span.start, span.end, CERTAIN)


def _private_keys(text: str) -> Iterator[Match]:
    for span in _PRIVATE_KEY.find(text):
        limit = end_of_paragraph(text, span.end, span.end + _LONGEST_BODY)
        armour = text.find("-----END", span.end, limit)
        if 0 <= armour < span.end + _LEAST_BODY:
            continue
        dashes = text.find("-----", armour + 8, limit) if armour >= 0 else -1
        yield _match(span.start, dashes + 5 if dashes >= 0 else limit, CERTAIN)


def _logins(text: str) -> Iterator[Match]:
    for span in _LOGIN_URL.find(text):
        start, end = span.groups[0]
        if not is_placeholder(text[start:end]):
            yield _match(start, end, CHECKED)


def _assigned(text: str) -> Iterator[Match]:
    for pattern in (_ASSIGNED, _ELEMENT):
        for span in pattern.find(text):
            (name_start, name_end), (start, end) = span.groups
            value = text[start:end].rstrip(".:!?")
            is_expression = text[end : end + 1] == "(" or value.endswith("[")
            if not is_expression and is_secret(text[name_start:name_end], value):
                yield _match(start, start + len(value), PROBABLE if len(value) < 16 else LIKELY)


def _sent(text: str) -> Iterator[Match]:
    for pattern in (_HEADER, _COMMAND):
        for span in pattern.find(text):
            start, end = max(span.groups)
            if not is_placeholder(text[start:end]) and entropy_bits(text[start:end]) >= _PASSWORD_BITS:
                yield _match(start, end, LIKELY)


# What a text must contain for a kind to be looked for, and how that is done: one pass decides for all.
_KINDS: tuple[tuple[str, Callable[[str], Iterator[Match]]], ...] = (
    (r"(?-i:\b(?:" + "|".join(FORMATS) + "))", _known),
    (r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", _private_keys),
    (r"://[^\s/@]*:[^\s/@]+@", _logins),
    (_NAME, _assigned),
    (r"authorization|x-api-key|x-auth-token|bearer|curl", _sent),
)
_SIGNS = PatternSet([sign for sign, _ in _KINDS], ignore_case=True)
_LOGIN_NAME = Pattern(_LOGIN_WORDS, ignore_case=True)


def is_secret(name: str, value: str) -> bool:
    """Whether what `name` assigns looks chosen or drawn at random, rather than like a word or a variable."""
    if len(value) < 6 or is_placeholder(value):
        return False
    has_digit = any(map(str.isdigit, value))
    if _LOGIN_NAME.is_in(name):
        has_mark = any(not char.isalnum() and char not in "._/-" for char in value)
        return (has_digit or has_mark) and entropy_bits(value) >= _PASSWORD_BITS
    least = 16 if name.lower().endswith(("_key", "-key")) else _LEAST_KEY
    return len(value) >= least and has_digit and not _WORDS.is_in(value) and entropy_bits(value) >= _KEY_BITS


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret, as in documentation, rather than being one."""
    return len(set(value)) < 4 or any(char * 8 in value for char in set(value)) or _PLACEHOLDER.is_in(value)


def entropy_bits(text: str) -> float:
    """Return the Shannon entropy of the characters of `text`, in bits a character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


def _match(start: int, end: int, confidence: float) -> Match:
    return Match(type="SECRET", start=start, end=end, confidence=confidence)
