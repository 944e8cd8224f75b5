"""Credentials: keys of known formats, private keys, logins in URLs and headers, and assigned values."""

import re
from collections.abc import Callable, Iterator

from gateway.domain.text.pattern import Pattern, PatternSet, as_seen, without_escapes
from gateway.privacy.detector import (
    CERTAIN,
    CHECKED,
    LIKELY,
    Match,
    context,
    end_of_paragraph,
)
from gateway.privacy.detectors.login_words import (
    marked,
)
from gateway.privacy.detectors.secret_assigned import NAME, assigned, of_makers, set_values
from gateway.privacy.detectors.secret_commands import DIRECTIVES, PROGRAMS, commands, directives
from gateway.privacy.detectors.secret_formats import FORMATS, HASHES, MAKERS, SHORT_FORMATS
from gateway.privacy.detectors.secret_phrases import CODES, WORDS, codes, phrases
from gateway.privacy.detectors.secret_places import (
    CREDENTIAL,
    arguments,
    coded,
    cookies,
    key_files,
    listed,
    named,
    said,
    signed,
)
from gateway.privacy.detectors.secret_value import (
    PASSWORD_BITS,
    entropy_bits,
    is_placeholder,
    is_random,
    may_be_key,
    secret_at,
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
    r"(?m)^(?:\*|[^\s:#]*[g-zG-Z.][^\s:#]*):(?:\d{1,5}|\*):[^\s:]{1,64}:[^\s:]{1,64}:(\S{4,64})$"
    r"|\bBUNDLE_[A-Z0-9_]+__[A-Z]+[\"']?[ \t]*[:=][ \t]*[\"']?([^\s:\"'$]{4,64}:[^\s\"';$]{4,64})"
    r"|\bmachine[ \t\n]+\S+[ \t\n]+login[ \t\n]+\S+[ \t\n]+password[ \t\n]+(\S{4,64})"
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
_HEX_KEY = Pattern(r"\b(?:0x)?[0-9A-Fa-f]{64}(?:[0-9A-Fa-f]{64})?\b")
HEX_WORDS = (
    r"priv(?:ate)?[ _-]?key|(?:secret|signing|wallet|master|deployer|validator|account|node)[ _-]?key"
    r"|[a-z]_pk\b|\bwallet\(|\bseed\b|cl[e\xe9] priv|(?:clave|chave|chiave) privat?[ad]a?|privater schl"
    r"|klucz pryw|\x1c"
)
_HEX_WORD = Pattern(HEX_WORDS, ignore_case=True)
_NO_HEX_KEY = Pattern(
    r"publi|pub[ _-]?key|hash|sha-?\d|finger|sum\b|digest|commit|\btx|transaction|address|block|root",
    ignore_case=True,
)
_HASHED = Pattern(r"hash|sha-?\d|finger|sum\b|digest", ignore_case=True)
_MIN_BODY = 20
_MAX_BODY = 8192


_MARKUP = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]|\*{1,2}(?=[ \t]?[:=])|(?<=[:=])\*{1,2}(?=\s)")


_SEALED = re.compile(
    r"(?m)^([ \t]*)encryptedData:[ \t]*\n(?:\1[ \t]+\S.*\n?)+"
    r"|[\"']encryptedData[\"'][ \t]*:[ \t\n]*\{[^{}]{0,8192}\}"
    r"|ENC\[[^\]\s]{0,8192}\]"
)
"""Encrypted values: Bitnami's SealedSecret, SOPS."""


class SecretDetector:
    """Finds credentials."""

    types = ("SECRET",)

    def find(self, text: str) -> Iterator[Match]:
        """Yield the credentials, without the names and quotes around them."""
        text = without_markup(marked(text))
        present = set(_PREFILTERS.matching(text))
        if (parted := without_escapes(text)) != as_seen(text):
            present.update(_PREFILTERS.matching(parted))
        sealed = (
            [one.span() for one in _SEALED.finditer(text)]
            if "encryptedData" in text or "ENC[" in text
            else []
        )
        for find in (_known, _known_by_body, *(_KINDS[index][1] for index in sorted(present))):
            for match in find(text):
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
            yield secret_at(start, end, CERTAIN)


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
            yield secret_at(start, end, CHECKED)


def _hashes(text: str) -> Iterator[Match]:
    for span in _HASH.find(text):
        yield secret_at(span.start, span.end, LIKELY)


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
        yield secret_at(span.start, found_to, CERTAIN)


def _logins(text: str) -> Iterator[Match]:
    for span in _LOGIN_URL.find(text):
        start, end = span.groups[0]
        if not is_placeholder(text[start:end]):
            yield secret_at(start, end, CHECKED)


def _login_lines(text: str) -> Iterator[Match]:
    for span in _LOGIN_LINE.find(text):
        start, end = max(span.groups)
        if len(set(text[start:end])) > 3:
            yield secret_at(start, end, LIKELY)


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
            yield secret_at(start, end, LIKELY)


def _sent(text: str) -> Iterator[Match]:
    for pattern in (_HEADER, _COMMAND):
        for span in pattern.find(text):
            start, end = max(span.groups)
            if not is_placeholder(text[start:end]) and entropy_bits(text[start:end]) >= PASSWORD_BITS:
                yield secret_at(start, end, LIKELY)


# Each kind: its prefilter, and the function that finds it. One pass over the text matches all prefilters.
_KINDS: tuple[tuple[str, Callable[[str], Iterator[Match]]], ...] = (
    (r"private key", _private_keys),
    (r"\$(?:2[abxy]?|1|apr1|[567y]|argon2[id]{1,2}|[ph])\$|\{s?sha|pbkdf2", _hashes),
    (r"://[^\s/:]*:[^\s/]+@", _logins),
    (r":(?:\d{1,5}|\*):\S+:\S+:\S|bundle_|\bmachine\s", _login_lines),
    (NAME, assigned),
    (r"authorization|x-api-key|x-auth-token|bearer|curl", _sent),
    (rf"\b(?:{MAKERS})[ \t\"']*[:=]", of_makers),
    (r"\b(?:env|arg|setenv|setx|set[ \t]+--?[a-z-]+)[ \t]", set_values),
    (HEX_WORDS, _hex_keys),
    (WORDS, phrases),
    (CODES, codes),
    (PROGRAMS, commands),
    (DIRECTIVES, directives),
    (
        rf"{CREDENTIAL}[\w.-]*[\"']?[ \t]*[:<>({{]|=[\"'](?:\w|-)*{CREDENTIAL}",
        named,
    ),
    (r"auth|login|connect|credential|mysql|pdo\(|sign_?in", arguments),
    (rf"{CREDENTIAL}[^\n]*[\n\[]", listed),
    (
        r"(?:api|access|auth|secret|bearer|refresh|service|deploy|license|encryption|signing|private|account"
        r"|session|client)[ _-]?(?:key|token|secret)",
        said,
    ),
    (r"cookie", cookies),
    (r"[?&;](?:amp;)?[\w-]*(?:sig|token|key|secret|hdn|signature)[\w-]*=", signed),
    (r"auth[\"']?[ \t]*[:=]|pass\w*hash|base64|encrypted|_password|ls0tls1crudjt", coded),
    (r"private-lines|:\d+:\d+:|codes?\b|otp|2fa|mfa|authenticator", key_files),
)
_PREFILTERS = PatternSet([prefilter for prefilter, _ in _KINDS], ignore_case=True)
