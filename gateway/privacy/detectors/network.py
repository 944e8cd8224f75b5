"""Network addresses: IP and MAC addresses, URLs."""

import socket
from bisect import bisect_left
from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern, as_data
from gateway.privacy.detector import (
    CERTAIN,
    LIKELY,
    POSSIBLE,
    Match,
    accepted,
    context,
    is_whole_token,
    surroundings,
)

_IPV4 = Pattern(r"\b\d{1,3}(?:\.\d{1,3}){3}(?:\.\d{1,3})*\b(?:/\d{1,2}\b)?")
"""Also matches more than four parts, which is no address, so that no part of it is tried."""
_IPV6 = Pattern(
    r"(?:[0-9A-Fa-f]{0,4}:){2,8}(?:[0-9A-Fa-f]{1,4}|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})?"
    r"(?:%[0-9A-Za-z]{1,15})?(?:/\d{1,3})?"
)
_IP_WORD = Pattern(
    r"\b(?:ips?|ipv[46]|host|server|address|subnet|localhost|loopback|ssh|ping|dns)\b|connect",
    ignore_case=True,
)
_VERSION_WORD = Pattern(
    r"\b(?:v|ver|versions?|release|firmware|build|driver|section|chapter)\b[ .:]{0,3}$", ignore_case=True
)
_BEFORE, _AFTER = 40, 20
"""Characters before and after an address in which a word counts."""
_COLONS = 7
_MAX_FAINT = 4096
"""Short addresses of one text, without a word near, behind which repeated ones are passed over.

More than a scan keeps of one confidence, so that these change nothing.
"""
_MAC = Pattern(
    r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b|\b[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}\b"
    r"|\b[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\b"
)
_URL = Pattern(
    r"(?:https?|ftps?|wss?)://[^\s<>\"`{}|\\^]+|www\.[A-Za-z0-9-]+\.[^\s<>\"`{}|\\^]+", ignore_case=True
)


NOBODYS = LIKELY
"""For addresses that are the same everywhere: reported, and too little to make a text internal."""
_NOBODYS_NETWORKS = (
    "127.",
    "0.0.0.",
    "169.254.",
    "192.0.2.",
    "198.51.100.",
    "203.0.113.",
    "fe80:",
    "2001:db8:",
    "3fff:",
)
"""Loopback, link-local (RFC 3927, RFC 4291), and for documentation (RFC 5737, RFC 3849, RFC 9637)."""
_NOBODYS_ADDRESSES = frozenset((
    "255.255.255.255", "::", "1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9",
    "149.112.112.112", "208.67.222.222", "208.67.220.220", "94.140.14.14", "94.140.15.15", "4.2.2.1",
    "4.2.2.2", "2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111",
    "2606:4700:4700::1001", "2620:fe::fe", "2620:fe::9", "2620:119:35::35", "2620:119:53::53",
))  # fmt: skip
"""No particular host, all hosts, and resolvers that are open to everybody."""


class IpDetector:
    """Finds IP addresses of both versions, with their mask or zone."""

    types = ("IP",)
    prefilter = r"\d\.\d{1,3}\.\d{1,3}\.\d|::|(?:[0-9A-F]{0,4}:){7}"
    min_digits = 0

    def find(self, text: str) -> Iterator[Match]:
        """Yield the addresses that the standard library accepts."""
        if text.count(".") >= 3:
            yield from _ipv4(text)
        if text.count(":") >= 2:
            yield from _ipv6(text)


def _ipv4(text: str) -> Iterator[Match]:
    data = as_data(text)

    def match_at(start: int, last: int) -> Match | None:
        end = _end_of_ip(text, data, start, last)
        if not end:
            return None
        is_version = _VERSION_WORD.is_in(surroundings(text, (start, end), before=16))
        most = NOBODYS if _is_nobodys(text[start:end]) else CERTAIN
        return Match("IP", start, end, POSSIBLE if is_version else most)

    yield from accepted(_IPV4, data, match_at, is_whole=True)


def _ipv6(text: str) -> Iterator[Match]:
    data = as_data(text)
    words = _Words(text)
    faint: set[str] = set()
    faint_left = _MAX_FAINT

    def match_at(start: int, last: int) -> Match | None:
        nonlocal faint_left
        if faint_left <= 0 and text[start:last] in faint and not words.are_near(start, last):
            return None
        candidate = text[start:last]
        if text[last - 1] == ":" and not text.endswith("::", start, last):
            last -= 1
        if text[start] == ":" and not text.startswith("::", start, last):
            start += 1  # The colon of a key before it.
        written = text[start:last]
        if "::" not in written and written.count(":") != _COLONS:
            return None
        end = _end_of_ip(text, data, start, last)
        if not end:
            return None
        digits = sum(char not in ":./%" for char in text[start:end])
        if digits >= 5 or words.are_near(start, end):
            most = NOBODYS if _is_nobodys(text[start:end]) else CERTAIN
            return Match("IP", start, end, most if digits >= 8 else LIKELY)
        faint_left -= 1
        faint.add(candidate)
        return Match("IP", start, end, POSSIBLE)

    yield from accepted(_IPV6, data, match_at, is_whole=True)


def _is_nobodys(written: str) -> bool:
    address = written.partition("/")[0].lower()
    return address.startswith(_NOBODYS_NETWORKS) or address in _NOBODYS_ADDRESSES


class _Words:
    """The words of a text that indicate addresses, searched once for all addresses."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] | None = None

    def are_near(self, start: int, end: int) -> bool:
        """Whether such a word is near a span, in its paragraph."""
        if self._starts is None:
            self._starts = [place[0] for place in _IP_WORD.places(self._text)]
        at = bisect_left(self._starts, start - _BEFORE)
        if at == len(self._starts) or self._starts[at] >= end + _AFTER:
            return False
        return _IP_WORD.is_in(context(self._text, (start, end), before=_BEFORE, after=_AFTER))


def _end_of_ip(text: str, data: bytes, start: int, last: int) -> int:
    """Return the end of an address, with or without what follows a slash; 0 if it is none."""
    for end in (last, text.rfind("/", start, last)):
        if end > 0 and is_whole_token(data, start, end) and _is_ip(text[start:end]):
            return end
    return 0


def _is_ip(written: str) -> bool:
    """Return whether `ipaddress.ip_interface` accepts it, in a tenth of the time."""
    address, slash, bits = written.partition("/")
    is_new = ":" in address
    if slash and not (bits.isdecimal() and int(bits) <= (128 if is_new else 32)):
        return False
    if is_new:
        address, percent, zone = address.partition("%")
        if percent and (not zone or "%" in zone):
            return False
    try:
        socket.inet_pton(socket.AF_INET6 if is_new else socket.AF_INET, address)
    except OSError:
        return False
    return True


class MacDetector:
    """Finds hardware addresses (EUI-48)."""

    types = ("MAC",)
    prefilter = r"[0-9A-F]{2}(?:[:-][0-9A-F]{2}){5}|[0-9A-F]{4}\.[0-9A-F]{4}\.[0-9A-F]{4}"
    min_digits = 0

    def find(self, text: str) -> Iterator[Match]:
        """Yield the addresses except all zeros and all ones."""
        if text.count(":") < 5 and text.count("-") < 5 and text.count(".") < 2:
            return
        data = as_data(text)

        def match_at(start: int, end: int) -> Match | None:
            digits = set(text[start:end].lower()) - set(":-.")
            if len(digits) < 2 or not is_whole_token(data, start, end):
                return None
            return Match("MAC", start, end, LIKELY if text[start + 4] == "." else CERTAIN)

        yield from accepted(_MAC, data, match_at)


class UrlDetector:
    """Finds web addresses; the secret detector finds logins in them."""

    types = ("URL",)
    prefilter = r"://|www\."
    min_digits = 0

    def find(self, text: str) -> Iterator[Match]:
        """Yield the addresses without trailing punctuation of the sentence."""
        if "://" not in text and "w." not in text and "W." not in text:
            return
        for span in _URL.find(text):
            end = span.end
            while text[end - 1] in ".,;:!?'*_" or (
                text[end - 1] in ")]" and not _opens(text, span.start, end)
            ):
                end -= 1
            yield Match(type="URL", start=span.start, end=end, confidence=CERTAIN)


def _opens(text: str, start: int, end: int) -> bool:
    closing = text[end - 1]
    opening = "(" if closing == ")" else "["
    return text.count(opening, start, end) >= text.count(closing, start, end)
