"""Regular expressions: those of JSON Schema as llguidance's engine reads them, and those of formats.

A pattern of JSON Schema is one of ECMA-262, llguidance's are those of Rust: some signs mean something else.
"""

import re

from gateway.engine.interfaces import GrammarRefused

_DAY = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"
_DATE = f"(19|20)[0-9]{{2}}-({_DAY})"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_TIME = rf"{_CLOCK}(\.[0-9]{{1,6}})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_LABEL = "[a-z0-9]{1,10}(-[a-z0-9]{1,10}){0,2}"
_HOST = rf"{_LABEL}(\.{_LABEL}){{0,3}}\.[a-z]{{2,12}}"
_ATOM = "[A-Za-z0-9_+-]{1,20}"
_EMAIL = rf"{_ATOM}(\.{_ATOM}){{0,2}}@{_HOST}"
_URI = rf"https?://{_HOST}(/[A-Za-z0-9._~-]{{0,60}}){{0,6}}(\?[A-Za-z0-9._~=&-]{{1,100}})?"
_HEX = "[0-9a-f]"
_OCTET = "([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"

FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": "P([0-9]{1,4}D(T[0-9]{1,4}H)?|T[0-9]{1,4}[HMS])",
    "uuid": f"{_HEX}{{8}}-({_HEX}{{4}}-){{3}}{_HEX}{{12}}",
    "email": _EMAIL,
    "idn-email": _EMAIL,
    "hostname": _HOST,
    "idn-hostname": _HOST,
    "uri": _URI,
    "iri": _URI,
    "url": _URI,
    "uri-reference": _URI,
    "iri-reference": _URI,
    "ipv4": rf"{_OCTET}(\.{_OCTET}){{3}}",
    "ipv6": f"{_HEX}{{1,4}}(:{_HEX}{{1,4}}){{7}}",
}
"""Formats of JSON Schema; each expression allows only texts of its format, but not all of them."""
UNSUPPORTED_FORMATS = frozenset({"uri-template", "json-pointer", "relative-json-pointer", "regex"})
"""Formats of the standard without an expression; unknown formats are ignored."""

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\r\x0b\x0c\u00a0\u2028\u2029\ufeff"}
_ESCAPES = {"v": r"\x0b", "0": r"\x00", "b": r"\x08"}
_SIGN = re.compile(r"\\c[A-Za-z]|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\.|.", re.DOTALL)
_CLASS_BEGIN = re.compile(r"\[\^?\]?")
_GROUP = re.compile(r"\(\?(?![:<])|\(\?<[=!]")


def rust_pattern(pattern: str) -> str:
    """Return a pattern of ECMA-262 as llguidance reads it; raises GrammarRefused."""
    if _GROUP.search(re.sub(r"\\.", "", pattern, flags=re.DOTALL)):
        raise GrammarRefused("pattern: look-around is not supported here")
    found, is_class, at = [], False, 0
    while at < len(pattern):
        sign = _read(pattern, at, is_class=is_class)
        at += len(sign)
        if sign[0] == "\\" and len(sign) == 2:
            found.append(_escaped(sign[1], is_class=is_class))
        elif sign.startswith("\\c"):
            found.append(rf"\x{ord(sign[2]) % 32:02x}")
        elif is_class:
            is_class = sign != "]"
            found.append("\\" + sign if sign in "[&~" else sign)
        elif sign[0] == "[":
            if sign.endswith("]"):
                raise GrammarRefused("pattern: an empty class is not supported here")
            is_class = True
            found.append(sign)
        else:
            found.append(r"[^\n\r\u2028\u2029]" if sign == "." else sign)
    return "".join(found)


def _read(pattern: str, at: int, *, is_class: bool) -> str:
    """Return the escape, the beginning of a class, or the character at a place."""
    found = (None if is_class else _CLASS_BEGIN.match(pattern, at)) or _SIGN.match(pattern, at)
    return found[0] if found else pattern[at]


def _escaped(sign: str, *, is_class: bool) -> str:
    """Return an escape of ECMA-262 in Rust's terms."""
    if sign in _CLASSES:
        return _CLASSES[sign] if is_class else f"[{_CLASSES[sign]}]"
    if sign.lower() in _CLASSES:
        return f"[^{_CLASSES[sign.lower()]}]"
    if sign in "123456789kbBpP" and not (sign == "b" and is_class):
        raise GrammarRefused(f"pattern: \\{sign} is not supported here")
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    return "\\" + sign if not sign.isalnum() or sign in "nrtf" else sign
