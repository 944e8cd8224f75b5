"""Large texts of every kind that a detector may be slow on: what it looks for, and what resembles it.

Values are drawn anew for each piece, with a fixed seed, so that nothing is fast because it was seen before.
"""

import random
from collections.abc import Callable
from string import ascii_letters, digits, hexdigits

SIZE = 100_000

_WORDS = (
    "time", "year", "people", "way", "day", "thing", "child", "world", "school", "state", "family", "group",
    "country", "problem", "part", "place", "case", "week", "company", "system", "program", "question", "work",
    "number", "night", "point", "home", "water", "room", "mother", "area", "story", "fact", "month", "right",
)  # fmt: skip
_GIVEN = ("John", "Mary", "Peter", "Anna", "Robert", "Linda", "Karen", "James", "Paul", "Susan")
_FAMILY = ("Smith", "Jones", "Kowalski", "Miller", "Garcia", "Nguyen", "Brown", "Wilson", "Schmidt", "Rossi")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_random = random.Random(7)


def _of(signs: str, count: int) -> str:
    return "".join(_random.choices(signs, k=count))


def _no(count: int) -> str:
    return _of(digits, count)


def _one(*listed: str) -> str:
    return _random.choice(listed)


def _below(limit: int) -> int:
    return _random.randrange(limit)


def _card() -> str:
    head = "4" + _no(14)
    total = sum(_DOUBLED[int(d)] if at % 2 == 0 else int(d) for at, d in enumerate(head))
    return f"{head}{-total % 10}"


def _iban() -> str:
    account = _no(18)
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


def _pesel() -> str:
    head = f"{50 + _below(50)}{1 + _below(12):02d}{1 + _below(28):02d}{_no(4)}"
    return head + str(
        -sum(w * int(d) for w, d in zip((1, 3, 7, 9, 1, 3, 7, 9, 1, 3), head, strict=True)) % 10
    )


def _phone() -> str:
    return f"{201 + _below(788)}-{200 + _below(800)}-{_no(4)}"


_PIECES: dict[str, Callable[[], str]] = {
    "prose": lambda: " ".join(_random.choices(_WORDS, k=12)).capitalize() + ". ",
    "digits": lambda: _no(50),
    "spaced digits": lambda: _no(1) + " ",
    "dotted digits": lambda: _no(1) + ".",
    "dashed digits": lambda: _no(1) + "-",
    "at": lambda: "@",
    "question marks": lambda: "?",
    "spaces": lambda: " ",
    "brackets": lambda: "(",
    "capitals": lambda: "A",
    "initials": lambda: _of("ABCDEFGH", 1) + ". ",
    "capitalised words": lambda: _one(*_WORDS).capitalize() + " ",
    "names": lambda: f"{_one(*_GIVEN)} {_one(*_FAMILY)}, ",
    "small names": lambda: f"{_one(*_GIVEN)} {_one(*_FAMILY)}, ".lower(),
    "introductions": lambda: f"my name is {_one(*_GIVEN)}\n",
    "e-mails": lambda: f"u{_no(5)}@example.org ",
    "phones": lambda: f"+1 {_phone()}, ",
    "national phones": lambda: _phone() + " ",
    "numbers called phones": lambda: f"phone {_no(7)}, ",
    "IBANs": lambda: _iban() + "\n",
    "cards": lambda: (lambda c: f"{c[:4]} {c[4:8]} {c[8:12]} {c[12:]} ")(_card()),
    "bare cards": lambda: _card() + ", ",
    "SSNs": lambda: f"{100 + _below(560)}-{10 + _below(90)}-{1000 + _below(9000)} ",
    "national ids": lambda: f"PESEL {_pesel()} ",
    "addresses": lambda: f"{1 + _below(9999)} {_one(*_FAMILY)} Street, ",
    "dates": lambda: f"20{_no(2)}-{1 + _below(12):02d}-{1 + _below(28):02d}, ",
    "births": lambda: f"born {1 + _below(28)}/{1 + _below(12)}/19{_no(2)}. ",
    "decimals": lambda: f"{_no(3)}.{_no(3)}, ",
    "counts": lambda: _no(1 + _below(12)) + ", ",
    "account numbers": lambda: f"account number {_no(10)} ",
    "URLs": lambda: f"https://a{_no(3)}.example/x ",
    "logins in URLs": lambda: f"https://bob:s3cr{_no(3)}t@a.example/ ",
    "IPs": lambda: ".".join(str(_below(256)) for _ in range(4)) + " ",
    "IPs, version 6": lambda: f"2001:db8:{_below(65536):x}::{_below(65536):x} ",
    "MACs": lambda: ":".join(f"{_below(256):02x}" for _ in range(6)) + " ",
    "VINs": lambda: _of("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", 17) + " ",
    "crypto addresses": lambda: "1" + _of("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefgh", 33) + " ",
    "passwords": lambda: f"password=h{_no(4)}ter{_one(*'!?x')}x{_no(1)}\n",
    "keys": lambda: f'api_key: "{_of(digits + "abcdefghijklmnop", 24)}"\n',
    "names of passwords": lambda: "password=",
    "armour": lambda: "-----BEGIN ",
    "hexadecimal": lambda: _of(hexdigits.lower(), 40) + " ",
    "UUIDs": lambda: "-".join(_of("0123456789abcdef", n) for n in (8, 4, 4, 4, 12)) + " ",
    "base64": lambda: _of(ascii_letters + digits + "+/", 76) + "\n",
    "JSON": lambda: f'{{"id": {_no(8)}, "token": "{_one(*_WORDS)}_{_one(*_WORDS)}", "v": {_no(3)}}},\n',
    "logs": lambda: f"2024-01-{_no(2)}T{_no(2)}:{_no(2)}:{_no(2)}Z INFO GET /items/{_no(6)} 200 {_no(3)}ms\n",
    "tables": lambda: f"{_no(5)},{_one(*_GIVEN)},{_one(*_FAMILY)},u{_no(5)}@example.org,{_phone()}\n",
    "code": lambda: f"def get_{_one(*_WORDS)}(self) -> str:\n    return token.{_one(*_WORDS)}({_no(2)})\n",
    "Cyrillic": lambda: _one("\u0418\u0432\u0430\u043d ", "\u0434\u043e\u043c "),
    "shortest IPs": lambda: "::1\n",
    "colons": lambda: f"{_of('abcdef', 1)}:: ",
    "named numbers": lambda: f"passport, tax id, SSN, account number:\n{_no(9)}\n",
    "invisible": lambda: _no(1) + "\u200b",
    "blank lines": lambda: "a\n\n",
}  # fmt: skip


def _filled(piece: Callable[[], str]) -> str:
    parts: list[str] = []
    size = 0
    while size < SIZE:
        parts.append(piece())
        size += len(parts[-1])
    return "".join(parts)[:SIZE]


LARGE = {name: _filled(piece) for name, piece in _PIECES.items()}
"""A text of 100,000 characters of each kind."""
