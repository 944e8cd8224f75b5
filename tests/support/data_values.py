"""Private values of every kind, made from what libraries and standards say and not from our own patterns."""

import hashlib
import ipaddress
import random
import string
from collections.abc import Callable, Mapping
from itertools import pairwise

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import bitcoin, iban, luhn
from stdnum.ar import cuit
from stdnum.be import nn
from stdnum.br import cnpj, cpf
from stdnum.ca import sin
from stdnum.ch import ssn as swiss
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar, pan
from stdnum.iso7064 import mod_97_10
from stdnum.it import codicefiscale
from stdnum.mx import curp
from stdnum.my import nric
from stdnum.pl import nip, pesel
from stdnum.se import personnummer
from stdnum.th import pin
from stdnum.us import rtn, ssn

_BASE_58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CARDS = (("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3528", 16), ("62", 17))
_IBANS = (
    ("DE", "#" * 18), ("GB", "WEST" + "#" * 14), ("NL", "ABNA" + "#" * 10), ("PL", "#" * 24),
    ("AT", "#" * 16), ("NO", "#" * 11), ("FR", "#" * 23), ("MT", "MALT" + "#" * 23),
)  # fmt: skip
# How a number is written (# stands for a digit, a question mark for a capital) and whether one is right.
_NATIONAL: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("###.###.###-##", cpf.is_valid), ("##.###.###/0001-##", cnpj.is_valid), ("########?", dni.is_valid),
    ("X#######?", nie.is_valid), ("2850575########", nir.is_valid), ("2 85 05 75 ### ### ##", nir.is_valid),
    ("RSSMRA85D10?###?", codicefiscale.is_valid), ("756.####.####.##", swiss.is_valid),
    ("#### #### ####", aadhaar.is_valid), ("85.07.30-###.##", nn.is_valid), ("131052-###?", hetu.is_valid),
    ("850730-####", personnummer.is_valid), ("12.###.###-#", rut.is_valid), ("20-########-#", cuit.is_valid),
    ("BADD110313HCMLNS0#", curp.is_valid), ("710319/####", rc.is_valid), ("11010519491231###X", ric.is_valid),
    ("770305-02-####", nric.is_valid), ("1-####-#####-##-#", pin.is_valid), ("???P?####?", pan.is_valid),
)  # fmt: skip
_NAMED: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("PESEL", "850730#####", pesel.is_valid), ("NHS", "### ### ####", nhs.is_valid),
    ("SIN", "### ### ###", sin.is_valid), ("NIP", "###-###-##-##", nip.is_valid),
    ("Steuer-ID", "###########", idnr.is_valid), ("passport number:", "?########", str.isalnum),
)  # fmt: skip


def _filled(rng: random.Random, form: str) -> str:
    drawn = {"#": string.digits, "?": string.ascii_uppercase}
    return "".join(rng.choice(drawn.get(char, char)) for char in form)


def _right(rng: random.Random, form: str, check: Callable[[str], bool]) -> str:
    while not check(number := _filled(rng, form)) or len(set(number)) < 4:
        pass
    return number


def _card(rng: random.Random) -> str:
    prefix, length = rng.choice(_CARDS)
    head = prefix + _filled(rng, "#" * (length - len(prefix) - 1))
    number = head + luhn.calc_check_digit(head)
    if length == 17 or rng.random() < 0.5:
        return number
    cuts = (0, 4, 10, 15) if length == 15 else (0, 4, 8, 12, 16)
    return rng.choice(" -").join(number[a:b] for a, b in pairwise(cuts))


def _iban(rng: random.Random) -> str:
    country, form = rng.choice(_IBANS)
    body = _filled(rng, form)
    number = country + mod_97_10.calc_check_digits(body + country) + body
    return str(iban.format(number)) if rng.random() < 0.5 else number


def _phone(rng: random.Random) -> str:
    if rng.random() < 0.3:
        area, office, line = f"{rng.randint(201, 989)}", f"{rng.randint(200, 999)}", _filled(rng, "####")
        return rng.choice((f"({area}) {office}-{line}", f"{area}-{office}-{line}", f"{area}.{office}.{line}"))
    while True:
        region = rng.choice(sorted(phonenumbers.SUPPORTED_REGIONS))
        kind = rng.choice((PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE))
        number = phonenumbers.example_number_for_type(region, kind)
        style = rng.choice(
            (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)
        )
        if number is not None:
            return str(phonenumbers.format_number(number, style))


def _crypto(rng: random.Random) -> str:
    if rng.random() < 0.4:
        return f"0x{rng.getrandbits(160):040x}"
    body = b"\x00" + rng.randbytes(20)
    raw = body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    value, written = int.from_bytes(raw), ""
    while value:
        value, digit = divmod(value, 58)
        written = _BASE_58[digit] + written
    address = "1" * (len(raw) - len(raw.lstrip(b"\x00"))) + written
    assert bitcoin.is_valid(address)
    return address


def _ip(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return str(ipaddress.IPv4Address(rng.getrandbits(32)))
    return str(ipaddress.IPv6Address(0x2001_0DB8 << 96 | rng.getrandbits(40)))


def _mac(rng: random.Random) -> str:
    return rng.choice(":-").join(f"{byte:02x}" for byte in rng.randbytes(6))


def _national(rng: random.Random) -> str:
    if rng.random() < 0.25:
        word, form, check = rng.choice(_NAMED)
        return f"{word} {_right(rng, form, check)}"
    return _right(rng, *rng.choice(_NATIONAL))


_PEOPLE = ("Anna Kowalska", "John Smith", "Maria Garcia", "Peter Miller", "Susan Jones", "Dr. James Brown")
_PLACES = (
    "12 Main Street",
    "Hauptstraße 5",
    "12 rue de Rivoli",
    "7 Oak Avenue",
    "P.O. Box 1234",
    "Calle Mayor 5",
)


def _key(rng: random.Random) -> str:
    """Return a key of a form that its maker documents."""
    letters = string.ascii_letters + string.digits
    head, signs, size = rng.choice(
        (
            ("AKIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
            ("ghp_", letters, 36),
            ("glpat-", letters, 20),
            ("AIza", letters + "-_", 35),
            ("hf_", letters, 34),
            ("sk-proj-", letters, 48),
            ("xoxb-", string.digits, 24),
            ("npm_", letters, 36),
            ("gsk_", letters, 52),
        )
    )
    return head + "".join(rng.choices(signs, k=size))


MAKERS: Mapping[str, Callable[[random.Random], str]] = {
    "SECRET": _key,
    "CREDIT_CARD": _card,
    "US_SSN": lambda rng: _right(rng, "###-##-####", ssn.is_valid),
    "NATIONAL_ID": _national,
    "IBAN": _iban,
    "BANK_ACCOUNT": lambda rng: rng.choice(
        (f"routing number {_right(rng, '0210000##', rtn.is_valid)}", _filled(rng, "sort code 12-04-##"))
    ),
    "EMAIL": lambda rng: f"{rng.choice(('jo', 'a.b', 'x-1'))}{rng.randint(1, 999)}@mail.example.org",
    "PHONE": _phone,
    "DOB": lambda rng: f"born {rng.randint(1, 28)}/{rng.randint(1, 12)}/19{rng.randint(40, 99)}",
    "VEHICLE": lambda rng: _filled(rng, rng.choice(("AB51 ?AC", "ABC-###DE", "1HGCM82633A004352"))),
    "CRYPTO": _crypto,
    "IP": _ip,
    "MAC": _mac,
    "URL": lambda rng: f"https://a{rng.randint(1, 999)}.example.org/p",
    "PERSON": lambda rng: rng.choice(_PEOPLE),
    "ADDRESS": lambda rng: rng.choice(_PLACES),
}
"""How to make a value of each type that is found without a model; the words that it needs stand with it."""
