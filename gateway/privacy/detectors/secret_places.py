"""Credentials whose name is not beside them: blocks, elements, arguments, cookies, signed addresses, key files."""

import base64
import binascii
import re
from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import CERTAIN, LIKELY, PROBABLE, Match, end_of_paragraph
from gateway.privacy.detectors.login_words import LOGIN_WORDS, OTHER_LOGIN_WORDS
from gateway.privacy.detectors.secret_value import (
    is_name_of_thing,
    is_named_number,
    is_password,
    is_placeholder,
    is_random,
    is_random_key,
    is_secret,
    is_strong,
    secret_at,
)

CREDENTIAL = (
    rf"(?:{LOGIN_WORDS}|{OTHER_LOGIN_WORDS}|secret|token|credential|api[ _-]?key|(?:access|auth|private|account|encryption|signing"
    r"|shared|master|license)[ _-]?key|[_-]key)"
)
_NAME = rf"([\w.-]*{CREDENTIAL}[\w.-]*)"
_LABEL = rf"((?:[\w.?-]+ ){{0,3}}[\w.-]*{CREDENTIAL}[\w.-]*)"
_LINES = r"(?:[^\n{}]*[^\s{}][^\n{}]*\n){0,6}?"
"""Lines of one paragraph."""
_NAMED = (
    # YAML: a block, or a value on the next line.
    rf"(?m)^[ \t-]*[\"']?{_NAME}[\"']?[ \t]*:[ \t]*(?:[|>][+-]?\d?[ \t]*(?:#.*)?|\"?\\)?\r?\n[ \t]+([^\s:\"'#-][^\s\"']*)[ \t]*\r?$",
    # Terraform: a variable with a default, an output of its state.
    rf"\b(?:variable|output)[ \t]+\"{_NAME}\"[ \t]*\{{[ \t]*\n{_LINES}[ \t]*(?:default|value)[ \t]*=[ \t]*\"([^\"\n]+)\"",
    # XML: a name in an attribute or in the element before.
    rf"<[a-z:]+\b[^<>]*?\b(?:name|key|id)=[\"']{_NAME}[\"'][^<>]*>[ \t]*\n?[ \t]*(?:<value>[ \t]*)?([^<>\s]+)[ \t]*\n?[ \t]*</",
    rf"<(?:key|name|d[tdh]|t[dh]|label|b|strong)>[ \t]*{_LABEL}[ \t]*:?[ \t]*</[a-z]+>[ \t]*\n?[ \t]*<[a-z]+\b[^<>]*>[ \t]*([^<>\s]+)[ \t]*</",
    # A method that sets it.
    rf"([a-z_]*{CREDENTIAL})\([ \t]*[\"']([^\"'\s]+)[\"'][ \t]*[).]",
    # A form that is filled in.
    r"<input\b[^<>]*\btype=[\"'](password)[\"'][^<>]*\bvalue=[\"']([^\"'<>\n]+)[\"']",
)
_NAMED_PLACE = Pattern("|".join(_NAMED), ignore_case=True)
_ROW = r"[ \t]*[|]?[ \t]*[\"'`]?[^\s|\"'`]{5,256}[\"'`]?[,;]?[ \t]*[|]?[ \t]*\r?(?:\n|$)"
_HEAD = Pattern(
    rf"(?m)^[ \t]*[|]?[ \t]*[\"'`*]{{0,2}}{_LABEL}[?.]?[\"'`*]{{0,2}}[ \t]*:?[ \t]*[|]?[ \t]*\r?\n(?:[ \t|:=+-]+\r?\n)?((?:{_ROW})+)",
    ignore_case=True,
)
"""A label in a line by itself, and the lines of one word each that follow."""
_CELL = re.compile(r"[^\s|\"'`,;]{5,256}")
_ASKED = Pattern(
    rf"{CREDENTIAL}[^\n]{{0,24}}\n[ \t]*(?:\w{{1,16}}[ \t]*[:>][ \t]*)?[\"'`]?([^\s\"'`;,|]{{6,256}})[\"'`]?[ \t]*\r?(?:\n|$)",
    ignore_case=True,
)
"""A line that ends with the word, as of a form or a conversation, and the answer."""
_LIST = Pattern(rf"{_NAME}s?[\"']?[ \t]*(?:=>?|:)[ \t]*\[([^\[\]]*)\]", ignore_case=True)
_SAID = Pattern(
    r"([\w.-]*(?:\b|_)(?:(?:api|access|auth|secret|bearer|refresh|service|deploy|license|encryption|signing|private|account|session|client)"
    r"[ _-]?(?:key|token|secret))s?)(?: (?:is|was|for|of)\b| -)?[ \t]*[/=:]?[ \t]*[\"'`\[(]{0,2}([A-Za-z0-9+/_~.-]{18,256}={0,2})",
    ignore_case=True,
)
_ARGUMENTS = Pattern(
    r"(?:\bauth(?:=|: ?|[ ]=[ ])\(|\b(?:login|log_in|signIn|sign_in|connect|basic_?auth|authenticate|setCredentials|httpBasic|getConnection)\("
    r"|basicauth\(|\bmysqli?(?:_connect)?\(|\bPDO\(|credentials?\(|passwordauthentication\()([^()\n]*)\)",
    ignore_case=True,
)
_LITERAL = re.compile(r"\"([^\"\\]{1,64})\"|'([^'\\]{1,64})'")
_COOKIE = Pattern(r"cookie[\"']?[ \t]*[:=][ \t]*[\"']?([^\n]+)", ignore_case=True)
_SESSION = re.compile(
    r"(?i)[:=;\s\"']((?:__(?:Secure|Host)-)?[\w.-]{0,32}(?:sess|sid\b|auth|token|jwt|remember|login|ident|user_credentials)[\w.-]{0,24})"
    r"=([^\s;,\"']{16,4096})"
)
_NO_SESSION = re.compile(r"(?i)csrf|xsrf|state|expir|_id_type")
_SIGNED = Pattern(
    r"[?&;](?:amp;)?(?:sig|signature|x-amz-signature|x-goog-signature|x-amz-security-token|hdnts|hdnea|token|access_token|auth_token|apikey"
    r"|api_key|code_verifier|client_secret|sv_sig|secret)=([A-Za-z0-9%+/=_~.-]{24,})",
    ignore_case=True,
)
_BASE64_LOGIN = Pattern(
    r"[\"']?\b_?auth[\"']?[ \t]*[:=][ \t]*[\"']?([A-Za-z0-9+/_-]{8,512}={0,2})(?:[\"'\s,}]|$)",
    ignore_case=True,
)
_CODED_PASSWORD = Pattern(
    r"<(?:pass|password|pwd)\b[^<>]*encoding=[\"']base64[\"'][^<>]*>[ \t]*([A-Za-z0-9+/]{4,}={0,2})"
    r"|(?i:pass\w*[_-]?hash)[\"']?[ \t]*[:=]>?[ \t]*[\"']?([a-f0-9]{32,128})\b"
    r"|\bencrypted(?:Password|Username)[\"'][ \t]*:[ \t]*[\"']([A-Za-z0-9+/]{24,}={0,2})[\"']"
    r"|:_password[ \t]*=[ \t]*[\"']?([A-Za-z0-9+/]{4,}={0,2})"
    r"|\b(?:client|ssh|tls|rsa)[_-]?(?:private[_-]?)?key(?:[_-]data)?[\"']?[ \t]*[:=][ \t]*[\"']?(LS0tLS1CRUdJTi[A-Za-z0-9+/]{20,}={0,2})"
    r"|\b(LS0tLS1CRUdJTi(?:BSU0Eg|BFQyB|BPUEVOU1NI|BQUklWQVRF|BFTkNSWVBURUQg)[A-Za-z0-9+/]{20,}={0,2})",
    ignore_case=False,
)
_SHADOW = Pattern(r"(?m)^[a-z_][\w.-]*:([./0-9A-Za-z]{13}):\d+:\d+:")
_PUTTY = Pattern(r"Private-Lines: \d+\r?\n((?:[A-Za-z0-9+/=]{4,}(?:\r?\n|$))+)")
_RECOVERY = Pattern(
    r"(?:recovery|backup|scratch|rescue|emergency)[ _-]codes?[^\n]{0,60}[:\n][\s\"'\[*-]*"
    r"((?:\d{0,2}[.)]?[ \t]*[\"'`]?[a-z0-9]{4,10}(?:[- ][a-z0-9]{4,10}){0,3}[\"'`,]*[ \t]*\r?\n?[ \t*-]*){2,16})",
    ignore_case=True,
)
_ONE_TIME = Pattern(
    r"\b(?:totp|otp|2fa|mfa|authenticator)[\w -]{0,16}(?:[:=]|\bis\b)[ \t\"']*([A-Z2-7]{16,64})\b",
    ignore_case=True,
)


def named(text: str) -> Iterator[Match]:
    """Yield values whose name is in the line before, in an element or attribute, or in a call."""
    for span in _NAMED_PLACE.find(text):
        pairs = [each for each in span.groups if each[0] >= 0]
        name, (start, end) = text[slice(*pairs[0])], pairs[1]
        value = text[start:end]
        if not is_name_of_thing(name, value) and is_secret(name, value):
            yield secret_at(start, end, PROBABLE)


def listed(text: str) -> Iterator[Match]:
    """Yield values under a label in a line by itself, behind a line that asks for them, and in lists."""
    for span in _HEAD.find(text):
        name, (first, last) = text[slice(*span.groups[0])], span.groups[1]
        for cell in _CELL.finditer(text, first, end_of_paragraph(text, first, last)):
            if _may_hold(name, cell[0]):
                yield secret_at(*cell.span(), PROBABLE)
    for span in _ASKED.find(text):
        start, end = span.groups[0]
        if is_strong(text[start:end]) or is_random_key(text[start:end]):
            yield secret_at(start, end, PROBABLE)
    for span in _LIST.find(text):
        name, (first, last) = text[slice(*span.groups[0])], span.groups[1]
        for literal in _LITERAL.finditer(text, first, last):
            start, end = literal.span(literal.lastindex or 0)
            if _may_hold(name, text[start:end]):
                yield secret_at(start, end, PROBABLE)


def _may_hold(name: str, value: str) -> bool:
    return is_secret(name, value) and not (is_name_of_thing(name, value) or is_named_number(value))


def said(text: str) -> Iterator[Match]:
    """Yield keys directly behind the words that name them, without a sign between."""
    for span in _SAID.find(text):
        name, (start, end) = text[slice(*span.groups[0])], span.groups[1]
        value = text[start:end].rstrip(".-/")
        if is_random_key(value) and is_random(value) and _may_hold(name, value):
            yield secret_at(start, start + len(value), PROBABLE)


def arguments(text: str) -> Iterator[Match]:
    """Yield the literals among the arguments of a call that logs in, from the second on."""
    for span in _ARGUMENTS.find(text):
        first, last = span.groups[0]
        for at, literal in enumerate(_LITERAL.finditer(text, first, last)):
            start, end = literal.span(literal.lastindex or 0)
            value = text[start:end]
            if at and (is_strong(value) or (is_password(value) and not value.islower())):
                yield secret_at(start, end, PROBABLE)


def cookies(text: str) -> Iterator[Match]:
    """Yield the sessions in cookies."""
    for span in _COOKIE.find(text):
        for cookie in _SESSION.finditer(text, span.groups[0][0] - 1, span.groups[0][1]):
            start, end = cookie.span(2)
            if not _NO_SESSION.search(cookie[1]) and is_random_key(cookie[2]):
                yield secret_at(start, end, LIKELY)


def signed(text: str) -> Iterator[Match]:
    """Yield the signatures and tokens in the queries of addresses."""
    for span in _SIGNED.find(text):
        start, end = span.groups[0]
        if is_random_key(text[start:end]):
            yield secret_at(start, end, LIKELY)


def coded(text: str) -> Iterator[Match]:
    """Yield logins and keys in Base64, as in the configuration of Docker, npm, FileZilla and Kubernetes."""
    for span in _BASE64_LOGIN.find(text):
        start, end = span.groups[0]
        if ":" in (login := _decoded(text[start:end])) and not is_placeholder(login.split(":", 1)[1]):
            yield secret_at(start, end, LIKELY)
    for span in _CODED_PASSWORD.find(text):
        start, end = max(span.groups)
        if not is_placeholder(text[start:end]):
            yield secret_at(start, end, LIKELY)


def _decoded(value: str) -> str:
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded if decoded.isprintable() else ""


def key_files(text: str) -> Iterator[Match]:
    """Yield the private parts of PuTTY's keys, hashes of old passwd files, and codes for the loss of a device."""
    for pattern, confidence in (
        (_PUTTY, CERTAIN),
        (_SHADOW, PROBABLE),
        (_RECOVERY, PROBABLE),
        (_ONE_TIME, LIKELY),
    ):
        for span in pattern.find(text):
            start, end = span.groups[0]
            end = end_of_paragraph(text, start, end)
            if any(map(str.isdigit, text[start:end])) and not is_placeholder(text[start:end]):
                yield secret_at(start, start + len(text[start:end].rstrip()), confidence)
