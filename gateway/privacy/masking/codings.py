"""Decodes text from other codings: percent, entities, escapes, Base64 and its like, character codes."""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import unquote

_MAX_FACTOR = 4
_MAX_CHARS = 8 * 1024
"""Bounds on the decoded text, also of nested codings: this factor of the text, plus this many characters."""
_MIN_CHARS = 4
"""The least characters of a decoded text that is kept."""
_MIN_PIECE = 6
"""The least characters of a readable piece between binary data, which has shorter ones by chance."""

_ESCAPE = re.compile(
    r"\\u\{([0-9A-Fa-f]{1,6})\}|\\U([0-9A-Fa-f]{8})|(?:\\u|%u|[Uu]\+)([0-9A-Fa-f]{4,6})(?: (?=[Uu]\+))?"
    r"|(?:\\x|=|0x|&#x?)([0-9A-Fa-f]{2})|\\([0-7]{3})|\\N\{([A-Za-z0-9 -]{1,80})\}"
)
_SOFT_BREAK = re.compile(r"=\r?\n")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}(?:\r?\n[A-Za-z0-9+/_-]{2,})*")
_BASE32 = re.compile(r"[A-Z2-7]{8,}|[a-z2-7]{8,}")
_AS_PYTHON = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHIJKLMNOPQRSTUV")
"""Base32 digits as `int` reads them; `base64.b32decode` takes ten times as long."""
_CSS = re.compile(r"\\([0-9A-Fa-f]{2,6})(\s?)")
_WITHOUT_WIDTH = frozenset({0x200B, 0x200C, 0x200D, 0x2060, 0x2063, 0xFEFF})
_UTF7 = re.compile(r"\+[A-Za-z0-9+/]{2,}-?")
_HEX = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[\s:,._-]{0,2}){4,}")
_HEX_DIGITS = re.compile("[0-9A-Fa-f]+")
_CODES = re.compile(r"(?:[0-9]{2,8}[\s,;.:/|_-]{1,3}){3,}[0-9]{2,8}")
_TOKEN = re.compile(r"[!-~]{10,}")
_ADOBE = re.compile(r"<~(.{4,}?)~>", re.DOTALL)
"""Ascii85 with its start and end marks."""
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]+")


def variants(text: str) -> Sequence[str] | None:
    """Return the text and all its decoded forms; None if these exceed the bounds."""
    known = {text: None}
    fresh = [text]
    left = _MAX_FACTOR * len(text) + _MAX_CHARS
    while fresh:
        found: dict[str, None] = {}
        for one in fresh:
            for decode in _DECODERS:
                decoded = decode(one)
                if len(decoded) >= _MIN_CHARS and decoded not in known and decoded not in found:
                    found[decoded] = None
                    left -= len(decoded)
                    if left < 0:
                        return None
        known |= found
        fresh = list(found)
    return list(known)


def _percent(text: str) -> str:
    return unquote(text, errors="replace") if "%" in text else ""


def _entities(text: str) -> str:
    return html.unescape(text) if "&" in text else ""


def _escapes(text: str) -> str:
    decoded = _ESCAPE.sub(_escaped, _SOFT_BREAK.sub("", text))
    return "" if decoded == text else decoded


def _escaped(match: re.Match[str]) -> str:
    long, longer, short, byte, octal, name = match.groups()
    if name is not None:
        try:
            return f"\\N{{{name}}}".encode("ascii").decode("unicode_escape")
        except UnicodeDecodeError:
            return match[0]
    if octal:
        return chr(int(octal, 8))
    return _character(long or longer or short or byte, match[0])


def _character(code: str, written: str) -> str:
    number = int(code, 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else written


def _css(text: str) -> str:
    return "\n".join(_of_css(text)) if "\\" in text else ""


def _of_css(text: str) -> Iterator[str]:
    """Yield the unescaped text, without and with the spaces that may end an escape."""
    without = _CSS.sub(lambda match: _character(match[1], match[0]), text)
    if without != text:
        yield without
        decoded = _CSS.sub(lambda match: _character(match[1], match[0]) + match[2], text)
        if decoded != without:
            yield decoded


def _invisible(text: str) -> str:
    return "" if text.isascii() else "\n".join(_of_invisible(text))


def _of_invisible(text: str) -> Iterator[str]:
    """Yield text that invisible characters encode: tags, variation selectors, and zero-width bits."""
    codes = [code for code in map(ord, text) if code >= 0x200B]
    yield "".join(chr(code - 0xE0000) for code in codes if 0xE0020 <= code < 0xE007F)
    selectors = [code - 0xFE00 for code in codes if 0xFE00 <= code < 0xFE10]
    selectors += [code - 0xE0100 + 16 for code in codes if 0xE0100 <= code < 0xE01F0]
    yield from _readable(bytes(selectors))
    bits = [code for code in codes if code in _WITHOUT_WIDTH]
    for zero in set(bits):
        number = "".join("0" if code == zero else "1" for code in bits)
        yield from _readable(bytes(int(number[at : at + 8], 2) for at in range(0, len(number), 8)))


def _utf7(text: str) -> str:
    return _UTF7.sub(_of_utf7, text) if "+" in text else ""


def _of_utf7(match: re.Match[str]) -> str:
    decoded = match[0].encode().decode("utf-7", "replace")
    return decoded if decoded.isascii() else match[0]  # A number with a plus is no coding.


def _base64(text: str) -> str:
    return "\n".join(_of_base64(text))


def _of_base64(text: str) -> Iterator[str]:
    for found in set(_BASE64.findall(text)):
        run = "".join(found.split()).replace("-", "+").replace("_", "/")
        # Text directly before it may be a part of the run, so each start is tried.
        for start in range(4):
            part = run[start : len(run) - (len(run) - start) % 4 if (len(run) - start) % 4 == 1 else None]
            padded = part + "=" * (-len(part) % 4)
            yield from _readable(base64.b64decode(padded))


def _base32(text: str) -> str:
    return "\n".join(_of_base32(text))


def _of_base32(text: str) -> Iterator[str]:
    for run in set(_BASE32.findall(text)):
        bits = 5 * len(run)
        number = int(run.upper().translate(_AS_PYTHON), 32) >> bits % 8
        yield from _readable(number.to_bytes(bits // 8, "big"))


def _base85(text: str) -> str:
    return "\n".join(_of_base85(text))


def _of_base85(text: str) -> Iterator[str]:
    for token in {*_TOKEN.findall(text), *_ADOBE.findall(text)}:
        for decode in (base64.b85decode, base64.a85decode):
            try:
                yield from _readable(decode(token))
            except ValueError:
                continue


def _hex(text: str) -> str:
    return "\n".join(_of_hex(text))


def _of_hex(text: str) -> Iterator[str]:
    for match in _HEX.finditer(text):
        digits = "".join(_HEX_DIGITS.findall(match[0].replace("0x", "").replace("\\x", "")))
        for start in range(2):
            part = digits[start:]
            yield from _readable(binascii.unhexlify(part[: len(part) & ~1]))


def _codes(text: str) -> str:
    return "\n".join(_of_codes(text))


def _of_codes(text: str) -> Iterator[str]:
    for match in _CODES.finditer(text):
        numbers = re.findall("[0-9]+", match[0])
        for base in (10, 8, 2):
            codes = [int(number, base) for number in numbers if set(number) <= set("0123456789"[:base])]
            yield from _readable(bytes(code for code in codes if code < 0x100))


def _readable(data: bytes) -> Iterator[str]:
    """Yield the readable text in decoded bytes, or its pieces; zero bytes of UTF-16 are dropped."""
    pieces = _UNREADABLE.split(data.replace(b"\x00", b"").decode("utf-8", "replace"))
    least = _MIN_CHARS if len(pieces) == 1 else _MIN_PIECE
    for piece in pieces:
        if len(piece) >= least:
            yield piece


_DECODERS: tuple[Callable[[str], str], ...] = (
    _percent, _entities, _escapes, _css, _invisible, _utf7, _base64, _base32, _base85, _hex, _codes,
)  # fmt: skip
