"""Sources of cards, accounts, vehicles, dates of birth, and of what is known on a network."""

import ipaddress
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from string import digits

from stdnum import luhn

from benchmarks.privacy_generated.label_words import labels_of, languages
from benchmarks.privacy_generated.locales import drawn
from benchmarks.privacy_generated.value import Draw, Source

_CARDS = {
    # network: prefixes, digits, groups
    "Visa": (("4",), 16, (4, 4, 4, 4)),
    "Visa of 13 digits": (("4",), 13, (4, 3, 3, 3)),
    "Mastercard": (("51", "53", "55"), 16, (4, 4, 4, 4)),
    "Mastercard of 2017": (("2221", "2345", "2720"), 16, (4, 4, 4, 4)),
    "American Express": (("34", "37"), 15, (4, 6, 5)),
    "Discover": (("6011", "644", "65"), 16, (4, 4, 4, 4)),
    "Diners Club": (("300", "36", "38"), 14, (4, 6, 4)),
    "JCB": (("3528", "3589"), 16, (4, 4, 4, 4)),
    "UnionPay": (("62",), 16, (4, 4, 4, 4)),
    "Maestro": (("5018", "6304", "6759"), 16, (4, 4, 4, 4)),
    "RuPay": (("6521", "6528"), 16, (4, 4, 4, 4)),
    "Mir": (("2200", "2204"), 16, (4, 4, 4, 4)),
}
_CARD_LABELS = ("card number", "Credit card", "card no", "PAN", "Kartennummer", "numéro de carte", "número de tarjeta",
                "numer karty")  # fmt: skip
_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d-%m-%Y", "%B %d, %Y", "%d %b %Y", "%Y/%m/%d")
_VIN = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
_VIN_VALUES = {**{sign: int(sign) for sign in digits}, **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
               **dict(zip("JKLMN", range(1, 6), strict=True)), "P": 7, "R": 9,
               **dict(zip("STUVWXYZ", range(2, 10), strict=True))}  # fmt: skip
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_MAKERS = ("WVW", "1HG", "JTD", "WBA", "VF1", "ZFA", "KMH", "5YJ", "YV1", "TMB", "SAL", "3VW")
_MAIL_LOCALES = ("de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL", "en_US", "en_GB", "pt_BR", "nl_NL", "sv_SE", "cs_CZ", "tr_TR",
                 "fi_FI", "ro_RO", "hu_HU", "id_ID", "ja_JP", "ru_RU", "da_DK", "no_NO")  # fmt: skip
_LATEST_BIRTH = date(2008, 1, 1)


def sources() -> Iterator[Source]:
    """Yield all sources of this file."""
    yield from _cards()
    yield from _vehicles()
    yield from _births()
    yield from _network()
    yield Source(
        name="ssn by the rules", kind="SSN", type="US_SSN", draw=_ssn("-"),
        labels=("SSN", "social security number", "Social Security #"),
    )  # fmt: skip
    for name, mark in (("ssn, spaces", " "), ("ssn, bare", ""), ("ssn, dots", ".")):
        yield Source(
            name=name, kind=name, type="US_SSN", draw=_ssn(mark), is_evident=False,
            labels=("SSN", "soc sec no", "social security number"),
        )  # fmt: skip


def card(prefixes: tuple[str, ...], length: int, random: Random) -> str:
    """Return a number with a right check digit."""
    head = random.choice(prefixes)
    head += "".join(random.choices(digits, k=length - 1 - len(head)))
    return head + str(luhn.calc_check_digit(head))


def vin(random: Random) -> str:
    """Return a vehicle identification number with the check digit of North America."""
    signs = [*random.choice(_MAKERS), *random.choices(_VIN, k=14)]
    total = sum(weight * _VIN_VALUES[sign] for weight, sign in zip(_VIN_WEIGHTS, signs, strict=True))
    signs[8] = "0123456789X"[total % 11]
    return "".join(signs)


def _cards() -> Iterator[Source]:
    for network, (prefixes, length, groups) in _CARDS.items():
        for mark in ("", " ", "-"):

            def draw(
                random: Random, prefixes: tuple[str, ...] = prefixes, length: int = length,
                groups: tuple[int, ...] = groups, mark: str = mark,
            ) -> str:  # fmt: skip
                number = card(prefixes, length, random)
                ends = [sum(groups[: at + 1]) for at in range(len(groups))]
                return mark.join(number[end - size : end] for end, size in zip(ends, groups, strict=True))

            yield Source(
                name=f"card {network}", kind=f"card, {'in groups' if mark else 'bare'}", type="CREDIT_CARD", draw=draw,
                labels=_CARD_LABELS,
            )  # fmt: skip


def _vehicles() -> Iterator[Source]:
    yield Source(
        name="VIN", kind="VIN", type="VEHICLE", draw=vin, labels=("VIN", "chassis number", "vehicle ID")
    )
    yield Source(
        name="VIN in German",
        kind="VIN",
        type="VEHICLE",
        draw=vin,
        labels=("FIN", "Fahrgestellnummer"),
        lang="de",
    )
    yield Source(
        name="VIN in French",
        kind="VIN",
        type="VEHICLE",
        draw=vin,
        labels=("numéro de châssis", "VIN"),
        lang="fr",
    )


def _births() -> Iterator[Source]:
    for lang in sorted(languages()):
        yield Source(
            name=f"birth {lang}", kind="date of birth", type="DOB", draw=_birth, labels=labels_of("DOB", lang), lang=lang,
            is_evident=False,
        )  # fmt: skip


def _birth(random: Random) -> str:
    day = _LATEST_BIRTH - timedelta(days=random.randrange(365 * 75))
    return day.strftime(random.choice(_DATES))


def _ssn(mark: str) -> Draw:
    def draw(random: Random) -> str:
        area = random.choice([*range(1, 666), *range(667, 900)])
        return mark.join((f"{area:03}", f"{random.randrange(1, 100):02}", f"{random.randrange(1, 10000):04}"))

    return draw


def _network() -> Iterator[Source]:
    tables: tuple[tuple[str, str, str, Draw], ...] = (
        ("IPv4 public", "IP, version 4", "IP", lambda random: _ip4(random, "public")),
        ("IPv4 private 10", "IP, version 4", "IP", lambda random: f"10.{_bytes(random, 3)}"),
        ("IPv4 private 192", "IP, version 4", "IP", lambda random: f"192.168.{_bytes(random, 2)}"),
        ("IPv4 with port", "IP, version 4", "IP", lambda random: _ip4(random, "any")),
        ("IPv6 whole", "IP, version 6", "IP", lambda random: str(_ip6(random).exploded)),
        ("IPv6 short", "IP, version 6", "IP", lambda random: str(_ip6(random).compressed)),
        ("IPv6 with zeros", "IP, version 6", "IP", lambda random: f"2a02:{random.randrange(1, 65536):x}::{random.randrange(1, 65536):x}"),
        ("IPv6 link", "IP, version 6", "IP", lambda random: f"fe80::{random.randrange(1, 65536):x}:{random.randrange(1, 65536):x}"),
        ("MAC colons", "MAC", "MAC", lambda random: _mac(random, ":")),
        ("MAC dashes", "MAC", "MAC", lambda random: _mac(random, "-").upper()),
        ("MAC dots", "MAC", "MAC", lambda random: (lambda h: f"{h[:4]}.{h[4:8]}.{h[8:]}")(_mac(random, ""))),
        ("MAC capitals", "MAC", "MAC", lambda random: _mac(random, ":").upper()),
    )  # fmt: skip
    labels = {
        "IP": ("IP address", "client IP", "host", "remote addr"),
        "MAC": ("MAC address", "hardware address", "HWaddr"),
    }
    for name, title, kind, draw in tables:
        yield Source(name=name, kind=title, type=kind, draw=draw, labels=labels[kind])
    for locale in _MAIL_LOCALES:
        lang = locale[:2]
        yield Source(
            name=f"faker {locale} email", kind="e-mail", type="EMAIL", draw=drawn(locale, "email"),
            labels=labels_of("EMAIL", lang), lang=lang,
        )  # fmt: skip
        yield Source(
            name=f"faker {locale} url", kind="web address", type="URL", draw=drawn(locale, "uri"),
            labels=("website", "URL", "homepage", "link"), lang=lang,
        )  # fmt: skip


def _bytes(random: Random, count: int) -> str:
    return ".".join(str(random.randrange(1, 255)) for _ in range(count))


def _ip4(random: Random, which: str) -> str:
    while True:
        address = ipaddress.IPv4Address(random.getrandbits(32))
        if address.is_global or which == "any":
            return str(address)


def _ip6(random: Random) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(0x2001 << 112 | random.getrandbits(100))


def _mac(random: Random, mark: str) -> str:
    return mark.join(f"{random.randrange(256):02x}" for _ in range(6))
