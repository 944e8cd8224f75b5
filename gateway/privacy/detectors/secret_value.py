"""Decides whether a value looks like a credential, a placeholder or a name, also by its entropy."""

import math
import re
from collections import Counter
from itertools import pairwise

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import Match
from gateway.privacy.detectors.login_words import LOGIN_WORDS, OTHER_LOGIN_WORDS
from gateway.privacy.detectors.secret_formats import MAKERS

_LOGIN_NAME = Pattern(f"{LOGIN_WORDS}|{OTHER_LOGIN_WORDS}", ignore_case=True)
_OTHER_NAME = Pattern(OTHER_LOGIN_WORDS, ignore_case=True)
_MADE = Pattern(rf"(?:{MAKERS})", ignore_case=True)
_PLACEHOLDER = Pattern(
    r"^(?:<.*>|![a-z]+|[\[$%{#@&].*|\\.*|your.*"
    r"|my[-_ ].*|(?:example|sample|dummy|fake|mock|test)(?:[^a-z].*)?"
    r"|change[-_]?(?:me|it|this).*|placeholder.*|to[-_]?do|none|null|nil|undefined|true|false|string|number"
    r"|integer|boolean|text|varchar|required|optional|secret|passw(?:or)?d|pwd|token|testing?|redacted|hidden"
    r"|masked|foo(?:bar)?|bar|baz|insert.*|enter.*|input|value|default|bearer|basic|unset|empty|unknown|n/a"
    r"|(?:os|process|env|environ|config|conf|settings|self|this|args|request|req|params|options|opts|user|var"
    r"|data|local|secrets|vault|module|resource|ctx|context)[.\[].*)$"
    r"|x{6}|\*{3}|\.{3}|(?:put|insert|enter|add)_?your|your[-_](?:\w{2,12}[-_])?(?:key|token|secret"
    r"|password)|_here\b"
    r"|^(?:mysecret|mypass|secretkey|supersecret|notasecret|notapassword|donotuse|foobar"
    r"|secretpassword)\w{0,12}$"
    r"|(?-i:EXAMPLE)|\$\{|\{\{|%\(|<%",
    ignore_case=True,
)
_TEST_KEY = Pattern(
    r"^(?:test|mock|sample)[_-][A-Za-z0-9_-]*[0-9][A-Za-z][A-Za-z0-9_-]{20,}$", ignore_case=True
)
"""A provider's test key, which also grants access."""
_MIN_WORDS = 24
"""A shorter key may have no digit by chance: one in thirty of Amazon's has none."""
_JOINTS = re.compile(r"[^A-Za-z]+")
_MOST_STEPS = 0.5
"""Most characters of a random key that follow the one before; by chance one in 30, of digits one in 5."""
_MAX_DISTINCT_AROUND_A_RUN = 20
"""A value with fewer distinct characters and a run of one is a placeholder; real keys have more."""
_ABOUT = Pattern(
    r"(?:[_.-]?(?:id|ids|name|names|path|file|filename|dir|url|uri|type|hash|hint|count|counts|length"
    r"|len|size|field"
    r"|prefix|suffix|header|policy|expiry|expires|expiration|ttl|version|label|format|class|method"
    r"|endpoint|ref"
    r"|index|usage|limit|budget|status|state|error|algorithm|encoding|column|table|arn|fingerprint|checksum)"
    r"|(?:updated|changed|created|modified|expires|reset)[_-]?(?:at|on)|reisepass|public[_-]?(?:key"
    r"|token)(?:[_-]?token)?|tokeniz\w*|parallelism"
    r"|(?:idempoten\w*|partition|primary|foreign|sort|cache|publishable|row|object|routing|correlation"
    r"|dedup\w*"
    r"|unique|natural|lookup|shard|message|composite|surrogate|site)[ _-]?key)$",
    ignore_case=True,
)
"""Endings of names that describe a credential and do not hold one."""
_NO_KEY = Pattern(
    r"^(?:https?://|s3://|file:|/|\./|\.\./|[A-Za-z]:\\)|^v?\d+(?:\.\d+){1,3}$|^\d{4}-\d\d-\d\d"
    r"|\.(?:json|ya?ml|pem|crt"
    r"|key|txt|py|js|ts|go|java|rb|php|md|html|png|jpg|svg|gif|css|exe|dll|so|zip|tar|gz)$"
    r"|^[a-z0-9]+(?:-[a-z]+)+$"
    r"|^[A-Za-z]+(?:[._/:-][A-Za-z]+)*\d{0,2}$|::|->"
    # Joined words and numbers, as in names of tables and rows; camel case.
    r"|^(?:[a-z]+|\d{1,8})(?:[_:#./-](?:[a-z]+|\d{1,8}|[a-z]\d{1,3}|[a-z]{3,}\d|\d{1,2}T\d{2}))+Z?$"
    r"|^(?:[a-z]+\d{0,2})?(?:[A-Z][a-z]+\d{0,2})+$",
)
"""Addresses, paths, versions, dates and names of things."""
_PLACE = Pattern(
    r"^(?:https?://|s3://|gs://|op://|file:|(?:vault|env|ssm|keyring|secret|ref|keepass|bws|doppler"
    r"|aws|gcp|azure)[+\w-]{0,16}:"
    r"|arn:|enc\[|enc\(|projects/|@microsoft\.|ageencrypted|\$ansible|\$[a-z_{(]|%[a-z_]+%|/[\w.-]+/"
    r"|~/|\./|\.\./|[a-z]:\\)"
    r"|SecretKeyRef$|^[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)+$",
    ignore_case=True,
)
"""The location of a password, or a member of a program's object, and not a password."""
_KEY_BITS = 2.8
"""Least Shannon entropy of a random key, in bits per character; words, paths and counters have less."""
PASSWORD_BITS = 2.2
_MIN_KEY = 18
"""Least characters of a key; shorter values are often names, or numbers of orders and builds."""
_MIN_MIXED = 14
_MIN_KEY_ALONE = 16
_CHANGES = Pattern(r"^(?:[a-zA-Z]+[0-9]+){2,}[a-zA-Z]*$|^(?:[0-9]+[a-zA-Z]+){2,}[0-9]*$|^\d{15,24}$")
"""Letters and digits that alternate too often for a name with a number; or a long number."""
_WITHOUT_SPACES = "\u0e00"
"""The first character of Thai, which the scripts of East Asia follow."""
_HEX = Pattern(r"^[0-9a-f]+$", ignore_case=True)
_MIN_KINDS = 3
"""Least kinds of characters: digits, capitals, small letters and marks."""
_PARTS = Pattern(
    r"^[a-z]{0,12}\d{0,4}[a-z]{0,2}(?:[-_./:@+=,()\[\]#]+[a-z]{0,16}\d{0,8}[a-z]{0,3})+$", ignore_case=True
)
"""Names and numbers of versions, models, files and addresses, joined by marks."""
_MIN_CHANGES = 0.3
"""Least changes of the kind per character; names have fewer."""
_COMPOUND = Pattern(r"^[A-Za-z]+(?:[._-][A-Za-z]+)+$")
_LONG_KEY = 30
_LONG_KEY_BITS = 2.5
_LONG_LITERAL = 32
_LITERAL_BITS = 4.5
_PROSE = Pattern(r"[A-Za-z]{3,} [A-Za-z]{2,} [A-Za-z]{2,}")


_PLAIN = Pattern(r"^[A-Za-z\x80-\xff._/,:=?-]*$|^[a-z_]+=")
"""Words, also joined or assigned."""
_MIN_PASSWORD = 5
_MIN_MARKED = 6
_MIN_STRONG = 8
"""Least characters of a password in a sentence, with and without a mark."""
_MIN_LETTERS = 2
_MARKS = frozenset("!$%^&*?~")
_WEAK_MARKS = frozenset("@#")
"""Marks of passwords; those that also join names and numbers."""
_NAMED_NUMBER = Pattern(
    r"^[a-z]{0,4}(?:[A-Z]{1,2}\d{1,4}|[A-Z]?[a-z]{3,}|[A-Z][a-z]{2,}|\d{1,4}[a-z]{0,2}|[A-Z]{2,5}){1,5}[!?]?$"
)
"""A name of words and numbers, such as that of a device or of a version."""
_VARIABLE = Pattern(
    r"^(?:[a-z_]*(?:password|passwd|pwd|pass)_?\d?|[a-z]+(?:[A-Z]\w*)?(?:Password|Token|Secret|Key)\d?)$"
    r"|^[a-z]+(?:_[a-z]+)+_?\d{0,2}$|^[\w.]+\(|^[\w.+-]+@[\w-]+\.[\w.-]+$",
)
"""Names in a program, calls, and addresses."""
_AMOUNT = Pattern(
    r"^[$%]?\d+(?:[.,:/-]\d+)*(?:%|[a-z]{1,4}|[$\x80-\xff])?$|^#\d+$|^[A-Z]{2,}(?:-\d+)+$"
    r"|^\d{4}-\d\d-\d\d|^[\w.-]*/[\w./-]*$",
)
"""Amounts, ports, dates, paths, and numbers of tickets."""


def is_secret(name: str, value: str) -> bool:
    """Whether the value of `name` looks like a password or a random key, not like a word or a variable."""
    if len(value) < 6 or is_placeholder(value) or _ABOUT.is_in(name) or is_sentence(value):
        return False
    if _OTHER_NAME.is_in(name) and _NO_KEY.is_in(value):
        return False
    has_digit = any(map(str.isdigit, value))
    if _LOGIN_NAME.is_in(name):
        if is_location(value):
            return False
        has_mark = any(not char.isalnum() and char not in "._/-" for char in value)
        return (has_digit or has_mark) and entropy_bits(value) >= PASSWORD_BITS
    is_mixed = len(value) >= _MIN_MIXED and _CHANGES.is_in(value) and _MADE.is_in(name)
    if not (len(value) >= _MIN_KEY or is_mixed) or not has_digit or _NO_KEY.is_in(value):
        return False
    return entropy_bits(value) >= (_KEY_BITS if len(value) < _LONG_KEY else _LONG_KEY_BITS)


def is_secret_literal(name: str, value: str) -> bool:
    """Whether a quoted text is a password, which may be a word, or a random key with spaces and marks."""
    if is_placeholder(value) or _ABOUT.is_in(name):
        return False
    if " " in value or "\t" in value or not _LOGIN_NAME.is_in(name):
        return (
            len(value) >= _LONG_LITERAL and entropy_bits(value) >= _LITERAL_BITS and not _PROSE.is_in(value)
        )
    return value.lower() not in name.lower() and "." not in value.strip(".") and ":" not in value


def is_name_of_thing(name: str, value: str) -> bool:
    """Whether a name only describes a credential, or the value is words joined by marks."""
    return _ABOUT.is_in(name) or _COMPOUND.is_in(value)


def is_password(value: str) -> bool:
    """Whether a value that is named a password may be one: it has a digit or a mark and is no reference."""
    if len(value) < _MIN_PASSWORD or is_placeholder(value) or is_location(value) or _AMOUNT.is_in(value):
        return False
    return not _PLAIN.is_in(value) and entropy_bits(value) >= PASSWORD_BITS


def is_strong(value: str) -> bool:
    """Whether a value looks like a password wherever it is in a sentence about one."""
    if not is_password(value) or _NAMED_NUMBER.is_in(value) or _NO_KEY.is_in(value):
        return False
    has_mark = any(char in _MARKS for char in value)
    if not has_mark and _PARTS.is_in(value):
        return False
    letters = sum(map(str.isalpha, value))
    has_mark = has_mark or not _WEAK_MARKS.isdisjoint(value)
    if has_mark and any(map(str.isdigit, value)):
        return letters >= _MIN_LETTERS and len(value) >= _MIN_MARKED
    return len(value) >= _MIN_STRONG and is_random(value) and not (value.isupper() or _HEX.is_in(value))


def is_location(value: str) -> bool:
    """Whether a value is the location of a password, or the name of a variable that has it."""
    return _PLACE.is_in(value) or _VARIABLE.is_in(value)


def is_random(written: str) -> bool:
    """Whether digits, capitals and small letters alternate as often as in random text."""
    kinds = [char.isdigit() + 2 * char.isupper() for char in written if char.isalnum()]
    changes = sum(one != other for one, other in pairwise(kinds))
    return any(map(str.isdigit, written)) and changes >= _MIN_CHANGES * len(kinds)


def is_named_number(value: str) -> bool:
    """Whether a value is words and numbers, such as the name of a device, of a version or of a variable."""
    return _NAMED_NUMBER.is_in(value)


def is_random_key(value: str) -> bool:
    """Whether a value is as random as a key, whatever names it."""
    return (
        len(value) >= _MIN_KEY_ALONE
        and any(map(str.isdigit, value))
        and entropy_bits(value) >= _KEY_BITS
        and not (is_placeholder(value) or is_counted(value) or _NO_KEY.is_in(value))
    )


def is_sentence(value: str) -> bool:
    """Whether a value has letters of a script without spaces, so that it may be a sentence."""
    return not value.isascii() and any(char >= _WITHOUT_SPACES for char in value)


def is_password_alone(value: str) -> bool:
    """Whether a word that fills its line looks like a password or a key that an earlier message asked for."""
    kinds = {(char.isdigit(), char.isupper(), char.isalpha()) for char in value}
    is_mixed = value.isalnum() and is_random(value) and not value.isupper() and not _HEX.is_in(value)
    is_drawn = (len(kinds) >= _MIN_KINDS or is_mixed) and entropy_bits(value) >= _KEY_BITS
    return is_drawn and not (_NO_KEY.is_in(value) or _PARTS.is_in(value) or _PLACE.is_in(value))


def is_counted(value: str) -> bool:
    """Whether most characters of a value follow the one before them, as in `abcd1234`."""
    steps = sum(0 <= ord(other) - ord(one) <= 1 for one, other in pairwise(value))
    return steps > _MOST_STEPS * len(value)


def may_be_key(written: str) -> bool:
    """Whether what has the form of a provider's key is neither words nor a count nor a placeholder."""
    if is_placeholder(written) or is_counted(written) or entropy_bits(written) < _KEY_BITS:
        return False
    return (
        len(written) < _MIN_WORDS
        or any(map(str.isdigit, written))
        or not all(
            part.islower() or part.isupper() or part.istitle() for part in _JOINTS.split(written) if part
        )
    )


def is_placeholder(value: str) -> bool:
    """Whether a value is a placeholder for a secret, as in documentation."""
    characters = set(value)
    if len(characters) < 4 or (
        len(characters) < _MAX_DISTINCT_AROUND_A_RUN and any(char * 8 in value for char in characters)
    ):
        return True
    return _PLACEHOLDER.is_in(value) and not _TEST_KEY.is_in(value)


def entropy_bits(text: str) -> float:
    """Return the Shannon entropy of the characters of `text`, in bits per character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


def secret_at(start: int, end: int, confidence: float) -> Match:
    """Return a finding of a credential."""
    return Match(type="SECRET", start=start, end=end, confidence=confidence)
