"""Formats of JSON Schema as grammars; each allows only texts of its format, but not all of them."""

from dataclasses import dataclass

_DAY = (
    '("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
    ' | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8])'
)
_DATE = f'("19" | "20") [0-9]{{2}} "-" ({_DAY})'
_CLOCK = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9]'
_TIME = f'{_CLOCK} ("." [0-9]{{1,6}})? ("Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
_LABEL = "[a-z0-9] ([a-z0-9-]{0,30} [a-z0-9])?"
_HOST = f'{_LABEL} ("." {_LABEL}){{0,3}} "." [a-z]{{2,12}}'
_ATOM = "[A-Za-z0-9_+-]{1,20}"
_EMAIL = f'{_ATOM} ("." {_ATOM}){{0,2}} "@" {_HOST}'
_URI = f'"http" "s"? "://" {_HOST} ("/" [A-Za-z0-9._~-]{{0,60}}){{0,6}} ("?" [A-Za-z0-9._~=&-]{{1,100}})?'
_HEX = "[0-9a-f]"
_OCTET = '([0-9] | [1-9] [0-9] | "1" [0-9] [0-9] | "2" [0-4] [0-9] | "25" [0-5])'
_NUMBER = "[0-9]{1,4}"


@dataclass(frozen=True, slots=True)
class Format:
    """The rule for the text between the quotes, and its shortest and longest length in characters."""

    rule: str
    shortest: int
    longest: int


FORMATS = {
    "date": Format(_DATE, 10, 10),
    "time": Format(_TIME, 9, 21),
    "date-time": Format(f'{_DATE} "T" {_TIME}', 20, 32),
    "duration": Format(f'"P" ({_NUMBER} "D" ("T" {_NUMBER} "H")? | "T" {_NUMBER} [HMS])', 3, 12),
    "uuid": Format(f'{_HEX}{{8}} "-" ({_HEX}{{4}} "-"){{3}} {_HEX}{{12}}', 36, 36),
    "email": Format(_EMAIL, 6, 207),
    "hostname": Format(_HOST, 4, 144),
    "uri": Format(_URI, 11, 619),
    "ipv4": Format(f'{_OCTET} ("." {_OCTET}){{3}}', 7, 15),
    "ipv6": Format(f'{_HEX}{{1,4}} (":" {_HEX}{{1,4}}){{7}}', 15, 39),
}
for _other, _known in (
    ("idn-email", "email"), ("idn-hostname", "hostname"), ("iri", "uri"), ("uri-reference", "uri"),
    ("iri-reference", "uri"), ("url", "uri"),
):  # fmt: skip
    FORMATS[_other] = FORMATS[_known]
UNSUPPORTED_FORMATS = frozenset({"uri-template", "json-pointer", "relative-json-pointer", "regex"})
"""Formats of the standard without a grammar; unknown formats are ignored."""
