"""Credentials: keys of known formats, private keys, logins in URLs and headers, and assigned values."""

import re
from collections.abc import Callable, Iterator

from gateway.domain.text.pattern import Pattern, PatternSet, as_seen, without_escapes
from gateway.privacy.detector import (
    CERTAIN,
    CHECKED,
    LIKELY,
    PROBABLE,
    Match,
    context,
    end_of_paragraph,
)
from gateway.privacy.detectors.login_words import (
    KEY_MARK,
    KEY_WORDS,
    LOGIN_MARK,
    LOGIN_WORDS,
    OTHER_LOGIN_WORDS,
    marked,
)
from gateway.privacy.detectors.secret_commands import DIRECTIVES, PROGRAMS, commands, directives
from gateway.privacy.detectors.secret_formats import FORMATS, HASHES, MAKERS, SHORT_FORMATS
from gateway.privacy.detectors.secret_phrases import CODES, WORDS, codes, phrases
from gateway.privacy.detectors.secret_places import (
    CREDENTIAL,
    arguments,
    coded,
    cookies,
    key_files,
    named,
    signed,
)
from gateway.privacy.detectors.secret_value import (
    PASSWORD_BITS,
    entropy_bits,
    is_location,
    is_name_of_thing,
    is_placeholder,
    is_random,
    is_secret,
    is_secret_literal,
    is_sentence,
    may_be_key,
)

_KNOWN = Pattern(r"(?:\b|_)(" + "|".join(FORMATS) + ")")
_KNOWN_BY_BODY = Pattern(r"(?:\b|_)(" + "|".join(SHORT_FORMATS) + ")")
_GOES_ON = ("_", "-", "/")
_HASH = Pattern(HASHES)
_PRIVATE_KEY = Pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_LOGIN_URL = Pattern(
    r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/\"'<>]{0,64}:([^\s/\"'<>]{1,128})@[A-Za-z0-9\[$]"
)
# The configuration files of PostgreSQL (.pgpass), Bundler and netrc.
_LOGIN_LINE = Pattern(
    r"(?m)^[^\s:#]{1,64}:(?:\d{1,5}|\*):[^\s:]{1,64}:[^\s:]{1,64}:(\S{4,64})$"
    r"|\bBUNDLE_[A-Z0-9_]+__[A-Z]+[\"']?[ \t]*[:=][ \t]*[\"']?([^\s:\"'$]{4,64}:[^\s\"';$]{4,64})"
    r"|\bmachine[ \t\n]+\S+[ \t\n]+login[ \t\n]+\S+[ \t\n]+password[ \t\n]+(\S{4,64})"
)
_NAME = (
    rf"(?:{LOGIN_WORDS}|{OTHER_LOGIN_WORDS}|{KEY_WORDS}|secret|token|credentials?|bearer"
    r"|api[ _-]?key|app[ _-]?key|access[ _-]?key"
    r"|auth(?:entication)?[ _-]?key|private[ _-]?key|secret[ _-]?key|account[ _-]?key|encryption[ _-]?key"
    r"|signing[ _-]?key|shared[ _-]?key|master[ _-]?key|license[ _-]?key|[_-](?:key|salt)|_auth)"
)
_OPERATOR = (
    r"(?: [a-z]{3,12})?[ \t]{0,8}"
    r"(?:[?.:|+~]{0,3}=>?|={2,3}|: ?&?(?:'static )?[a-z]{3,12}[ \t]{0,8}=|:|<=|\bis\b| - "
    r"| (?:ist|lautet|est|es|jest|[\xe9\xe8]|[a\xe4]r)[ :])[ \t]{0,8}"
)
_ASSIGNED = Pattern(
    rf"((?:[a-z0-9]+[._-]){{0,6}}[a-z0-9]*{_NAME}(?:[._-]?[a-z0-9_.-]{{0,30}})?)"
    rf"(?:(?:\\?[\"'\]]){{0,2}}{_OPERATOR}(?:[\"'`]|\\\")?|[\"'],[ \t]{{0,20}}[\"'])"
    r"([^\s\"'`\\,;<>(){}]{5,200})",
    ignore_case=True,
)
_ABOUT_ONE = Pattern(
    r" (?:policy|length|field|hint|format|type|size|error|reset|manager|hash|rule|version|file|path|name|id)\b",
    ignore_case=True,
)
_QUOTED = Pattern(
    rf"([a-z0-9_.-]{{0,30}}(?:{LOGIN_WORDS}|_key|_salt|secret)[a-z0-9_.-]{{0,30}})[\"']?"
    r"(?:[ \t]{0,8}(?:=>?|:)|,)[ \t]{0,20}(?:\"([^\"\n\\]{5,128})\"|'([^'\n\\]{5,128})')",
    ignore_case=True,
)
_LINE = Pattern(
    rf"(?m)^[ \t]*(?:export )?([a-z0-9_.-]{{0,40}}(?:{LOGIN_WORDS}))[ \t]*[:=][ \t]*"
    r"([^\s\"'<>(){}\[\]$%]{5,64})$",
    ignore_case=True,
)
_NAMED = Pattern(_NAME, ignore_case=True)
_ELEMENT = Pattern(
    rf"<([a-z0-9._-]*{_NAME}[a-z0-9._-]*)(?: [^<>\n]{{0,60}})?>[ \t]*\n?[ \t]*"
    r"([^\s<>]{5,200})[ \t]*\n?[ \t]*</",
    ignore_case=True,
)
_MAKER = Pattern(
    rf"\b(?:{MAKERS})[ \t\"']*[:=]=?[ \t\"'`]*([A-Za-z0-9_-]{{24,128}}={{0,2}})(?:[\"'`;,\s]|$)",
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
# Dockerfile, fish, csh, Windows: a name in capitals and a value, with only spaces between.
_SET = Pattern(
    r"(?:^|[\s;&>`\"'])(?i:env|arg|setenv|setx|set(?:[ \t]+--?[a-z]{1,12}){1,3})[ \t]+"
    r"[\"']?([A-Z][A-Z0-9_]{2,60})[\"']?[ \t]+[\"']?([^\s\"'`;|&<>(){}]{5,200})"
)
# A marked word, what may follow it (a question mark is a letter outside Latin-1), and a value.
_MARKED = Pattern(
    r"(\x1a+|\x1c+)"
    r"(?:[?a-z ,']{0,24}[:=-]{1,2}|[?]{0,24}|[? ]{0,24} |[?]{0,4} (?:to|jest|este|je|yra) )"
    r"[ \t\"'`?(\[]{0,4}([!#-&*-.0-9:;<=>@A-Z\\^_a-z|~+/]{5,128})"
)
_HEX_KEY = Pattern(r"\b(?:0x)?[0-9A-Fa-f]{64}(?:[0-9A-Fa-f]{64})?\b")
_HEX_WORD = Pattern(
    r"priv(?:ate)?[ _-]?key|(?:secret|signing|wallet|master|deployer|validator|account|node)[ _-]?key"
    r"|[a-z]_pk\b|\bwallet\(|\bseed\b|cl[e\xe9] priv|(?:clave|chave|chiave) privat?[ad]a?|privater schl"
    r"|klucz pryw|\x1c",
    ignore_case=True,
)
_NO_HEX_KEY = Pattern(
    r"publi|pub[ _-]?key|hash|sha-?\d|finger|sum\b|digest|commit|\btx|transaction|address|block|root",
    ignore_case=True,
)
_HASHED = Pattern(r"hash|sha-?\d|finger|sum\b|digest", ignore_case=True)
_MIN_BODY = 20
_MAX_BODY = 8192


_MARKUP = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]|\*{1,2}(?=[ \t]?[:=])|(?<=[:=])\*{1,2}(?=\s)")


_SEALED = re.compile(
    r"(?m)^([ \t]*)encryptedData:[ \t]*\n(?:\1[ \t]+\S.*\n?)+|[\"']encryptedData[\"'][ \t]*:[ \t\n]*\{[^{}]{0,8192}\}"
)
"""Values that only the controller of a cluster can decrypt (Bitnami's SealedSecret)."""


class SecretDetector:
    """Finds credentials."""

    types = ("SECRET",)

    def find(self, text: str) -> Iterator[Match]:
        """Yield the credentials, without the names and quotes around them."""
        text = without_markup(marked(text))
        present = set(_PREFILTERS.matching(text))
        if (parted := without_escapes(text)) != as_seen(text):
            present.update(_PREFILTERS.matching(parted))
        sealed = [one.span() for one in _SEALED.finditer(text)] if "encryptedData" in text else []
        for index in sorted(present):
            for match in _KINDS[index][1](text):
                if not any(start <= match.start < end for start, end in sealed):
                    yield match


def without_markup(text: str) -> str:
    """Return a text with spaces for terminal colours, and for emphasis next to a colon."""
    return _MARKUP.sub(lambda found: " " * len(found[0]), text) if "*" in text or "\x1b" in text else text


def _known(text: str) -> Iterator[Match]:
    for span in _KNOWN.find(without_escapes(text)):
        start, end = span.groups[0]
        written, follows = text[start:end], text[end : end + 1]
        if not may_be_key(written) or (follows.isalnum() and follows.isascii()):
            continue
        if text[start - 1 : start] == "." and text[start - 2 : start - 1].isalnum():
            continue  # The extension of a file name that contains a hash.
        if any(map(str.isdigit, written)) or not written.startswith("sk-"):
            yield _match(start, end, CERTAIN)


def _known_by_body(text: str) -> Iterator[Match]:
    for span in _KNOWN_BY_BODY.find(without_escapes(text)):
        start, end = span.groups[0]
        written, follows = text[start:end], text[end : end + 1]
        if (
            is_random(written)
            and not is_placeholder(written)
            and not follows.isalnum()
            and follows not in _GOES_ON
        ):
            yield _match(start, end, CHECKED)


def _hashes(text: str) -> Iterator[Match]:
    for span in _HASH.find(text):
        yield _match(span.start, span.end, LIKELY)


def _private_keys(text: str) -> Iterator[Match]:
    found_to = 0
    for span in _PRIVATE_KEY.find(text):
        if span.start < found_to:
            continue
        limit = end_of_paragraph(text, span.end, span.end + _MAX_BODY)
        armour = text.find("-----END", span.end, limit)
        if 0 <= armour < span.end + _MIN_BODY:
            continue
        dashes = text.find("-----", armour + 8, limit) if armour >= 0 else -1
        found_to = dashes + 5 if dashes >= 0 else limit
        yield _match(span.start, found_to, CERTAIN)


def _logins(text: str) -> Iterator[Match]:
    for span in _LOGIN_URL.find(text):
        start, end = span.groups[0]
        if not is_placeholder(text[start:end]):
            yield _match(start, end, CHECKED)


def _login_lines(text: str) -> Iterator[Match]:
    for span in _LOGIN_LINE.find(text):
        start, end = max(span.groups)
        if len(set(text[start:end])) > 3:
            yield _match(start, end, LIKELY)


def _assigned(text: str) -> Iterator[Match]:
    for pattern in (_ASSIGNED, _ELEMENT):
        for span in pattern.find(text):
            (name_start, name_end), (start, end) = span.groups
            value = text[start:end].rstrip(".:!?")
            is_expression = text[end : end + 1] == "(" or value.endswith("[")
            is_about = _ABOUT_ONE.is_in(text[name_end:start])
            if not (is_expression or is_about) and is_secret(text[name_start:name_end], value):
                yield _match(start, start + len(value), PROBABLE if len(value) < 16 else LIKELY)
    for span in _QUOTED.find(text):
        start, end = max(span.groups[1:])
        if is_secret_literal(text[slice(*span.groups[0])], text[start:end]):
            yield _match(start, end, PROBABLE)
    for span in _LINE.find(text):
        start, end = span.groups[1]
        value = text[start:end]
        is_word = is_name_of_thing(text[slice(*span.groups[0])], value) or value.endswith(
            (",", ";", ".", ":")
        )
        if not (is_word or is_placeholder(value) or is_location(value) or is_sentence(value)):
            yield _match(start, end, PROBABLE)
    yield from _marked(text)


def _marked(text: str) -> Iterator[Match]:
    if LOGIN_MARK not in text and KEY_MARK not in text:
        return
    for span in _MARKED.find(text):
        name, (start, end) = text[slice(*span.groups[0])], span.groups[1]
        value = text[start:end].rstrip(".:!,;)")
        if is_secret(name, value):
            yield _match(start, start + len(value), PROBABLE)


def _set(text: str) -> Iterator[Match]:
    for span in _SET.find(text):
        (name_start, name_end), (start, end) = span.groups
        name = text[name_start:name_end]
        if _NAMED.is_in(name) and is_secret(name, text[start:end]):
            yield _match(start, end, LIKELY)


def _hex_keys(text: str) -> Iterator[Match]:
    for start, end in _HEX_KEY.places(text):
        before = context(text, (start, end), before=60)
        named = list(_HEX_WORD.places(before))
        between = before[named[-1][1] :] if named else before[-24:]
        if not (named or _HEX_WORD.is_in(text[end : end + 24])) or _NO_HEX_KEY.is_in(between):
            continue
        if named and _HASHED.is_in(before[max(0, named[-1][0] - 16) : named[-1][0]]):
            continue
        if not is_placeholder(text[start:end]):
            yield _match(start, end, LIKELY)


def _made(text: str) -> Iterator[Match]:
    for span in _MAKER.find(text):
        start, end = span.groups[0]
        if is_secret("api_key", text[start:end]):
            yield _match(start, end, PROBABLE)


def _sent(text: str) -> Iterator[Match]:
    for pattern in (_HEADER, _COMMAND):
        for span in pattern.find(text):
            start, end = max(span.groups)
            if not is_placeholder(text[start:end]) and entropy_bits(text[start:end]) >= PASSWORD_BITS:
                yield _match(start, end, LIKELY)


# Each kind: its prefilter, and the function that finds it. One pass over the text matches all prefilters.
_KINDS: tuple[tuple[str, Callable[[str], Iterator[Match]]], ...] = (
    (r"(?-i:(?:\b|_)(?:" + "|".join(FORMATS) + "))", _known),
    (r"(?-i:(?:\b|_)(?:" + "|".join(SHORT_FORMATS) + "))", _known_by_body),
    (r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", _private_keys),
    (r"\$(?:2[abxy]?|1|apr1|[567y]|argon2[id]{1,2}|[ph])\$|\{s?sha|pbkdf2", _hashes),
    (r"://[^\s/:]*:[^\s/]+@", _logins),
    (r":(?:\d{1,5}|\*):\S+:\S+:\S|bundle_|\bmachine\s", _login_lines),
    (_NAME, _assigned),
    (r"authorization|x-api-key|x-auth-token|bearer|curl", _sent),
    (rf"\b(?:{MAKERS})[ \t\"']*[:=]", _made),
    (r"\b(?:env|arg|setenv|setx|set[ \t]+--?[a-z-]+)[ \t]", _set),
    (r"\b(?:0x)?[0-9A-F]{64}", _hex_keys),
    (WORDS, phrases),
    (CODES, codes),
    (PROGRAMS, commands),
    (DIRECTIVES, directives),
    (
        rf"{CREDENTIAL}[\w.-]*(?:[\"']?[ \t]*:[^\n]{{0,6}}\n|\"[ \t]*\{{|[\"'][^<>]*>|[ \t]*</|\()|=[\"']password[\"']",
        named,
    ),
    (r"auth|login|connect|credential|mysql|pdo\(|sign_?in", arguments),
    (r"cookie", cookies),
    (r"[?&;](?:amp;)?[\w-]*(?:sig|token|key|secret|hdn|signature)[\w-]*=", signed),
    (r"auth[\"']?[ \t]*[:=]|base64|encrypted|_password|ls0tls1crudjt", coded),
    (r"private-lines|:[./0-9a-z]{13}:\d|codes?\b|otp|2fa|mfa|authenticator", key_files),
)
_PREFILTERS = PatternSet([prefilter for prefilter, _ in _KINDS], ignore_case=True)


def _match(start: int, end: int, confidence: float) -> Match:
    return Match(type="SECRET", start=start, end=end, confidence=confidence)
