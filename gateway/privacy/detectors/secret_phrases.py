"""Passwords and codes in sentences: the word may be before or behind the value, and at some distance."""

import re
from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern
from gateway.domain.text.search_budget import count_candidate
from gateway.privacy.detector import PROBABLE, Match
from gateway.privacy.detectors.login_words import OTHER_LOGIN_WORDS, WORDS_FOR_PASSWORDS
from gateway.privacy.detectors.secret_value import is_password, is_strong, secret_at

_WORD = rf"(?:{WORDS_FOR_PASSWORDS}|{OTHER_LOGIN_WORDS})"
_LOGIN = (
    r"\b(?:log(?:ged|ging)?[ -]in|sign(?:ed|ing)?[ -]in|unlock(?:ed|s)?|creds?|credentials?"
    r"|zugangsdaten|anmeldedaten|credenciales"
    r"|credenziali|credenciais|inloggegevens)\b"
)
_ACCOUNT = (
    r"\b(?:log[io]n|acc[e\xe8]so?|identifiants?|user(?:name)?|utente|usuario|usu\xe1rio"
    r"|benutzer(?:name)?|utilisateur|gebruiker"
    r"|wi-?fi|wlan|ssid|(?:secret|security) answer)\b"
)
"""Words near which a value needs a closer relation: roles in a conversation have these names."""
_ANCHOR = Pattern(rf"{_WORD}|\bidentified (?:with [\w'\"]+ )?by|{_LOGIN}|{_ACCOUNT}", ignore_case=True)
_OF_PASSWORD = Pattern(rf"{_WORD}|identified|{_LOGIN}", ignore_case=True)
_BEFORE, _AFTER = 80, 120
"""Characters before a word and behind it in which a value may be."""
_END = re.compile(r"[.!?][\"')\u201d\u00bb]*\s+(?=[A-Z])|\n|[\u3002\uff01\uff1f]")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9!#$%&*+./=?@^_~-])[A-Za-z0-9!#$%&*+.=?@^_~-][A-Za-z0-9!#$%&*+./=?@^_~-]{4,63}(?!"
    r"[A-Za-z0-9@/=]|:[^\s])"
)
_OF_IDENTIFIER = re.compile(r"[@_A-Z]|[.-]\w")
"""Behind a word that is the beginning of the name of something else."""
_HAS_SIGN = re.compile(r"[A-Za-z].*[0-9!@#$%^&*+=?~]|[0-9].*[A-Za-z!@#$%^&*+=?~]")
_IS = (
    r"(?:\bis|\bwas|\b(?:set|chang|reset|updat|switch)[^\n]{0,40} to|'s|\bas|\bbe|\bare|\bsays?"
    r"|\breads?|\bnow|\bstill|\bist|\blautet|\bauf|\bjetzt"
    r"|\best|\bsera|\bc'est|\bes|\bser\xe1| \xe9s?| \xe8|\bluidt|salasana\w{0,4} on| \xe4r|\ber|\bje"
    r"|\bjest|has(?:l|\?|\x1a)o to|\x1a to|\beste"
    r"|\bmea e|\bya|\bad?alah|\bay|[:=]|->|=>| [-?>] |\x1a)"
)
_ADVERB = (
    r"(?:now|still|just|also|always|currently|jetzt|nun|noch|maintenant|ahora|agora|adesso|ora|nu|teraz)"
)
_NAMED_BEFORE = Pattern(
    rf"{_WORD}[^\n\"{{}};:=|<>]{{0,48}}{_IS}[\s,]*(?:{_ADVERB}[\s,]+)?[\"'`?(\[]{{0,3}}$"
    rf"|{_WORD}[ ,?]{{0,4}}[\"'`(\[]{{1,2}}$|{_WORD}\w{{0,3}}(?:[ ?]|, )$"
    r"|\bidentified (?:with [\w'\"]+ )?by (?:password )?[\"']$",
    ignore_case=True,
)
_NEAR = 32
"""Characters before a value in which a word of a rule about passwords matters."""
_ARTICLE = r"(?:my|the|our|his|her|your|their|its|an?|this|that)"
_NAMED_AFTER = Pattern(
    r"^[\"'`?)\]]{0,3}[ ,]*(?:is|was|as|for|are|were|will be|being)(?: not| now"
    rf"| still)?(?: {_ARTICLE})?(?: [\w-]{{2,12}}){{0,2}}"
    rf" {_WORD}|^[\"'`?)\]]{{0,3}} (?:as|for|an?|my) (?:[\w-]{{2,12}} )?{_WORD}"
    rf"|^[\"'`?)\]]{{0,3}} (?:when|if|at|in) [^\n]{{0,40}}{_WORD}",
    ignore_case=True,
)
_OF_ACCOUNT = Pattern(
    rf"(?:{_ACCOUNT}|{_LOGIN})[ \t]*(?:with|as|are|is|avec|mit|con|com"
    r"|[:=])?[ \t:=]*[^\s/:,]{2,40}(?: ?[/:|,]| and| with| mit| y| et| e)[ \t]*$"
    r"|\bpass[ :=]+[\"'`]?$|\b(?:wi-?fi|wlan|ssid)\b[^\n]{0,40}\b(?:key|pass|pw)[ :=]+$|\b(?:secret"
    r"|security) answer[ :=]+$",
    ignore_case=True,
)
_RULE = Pattern(
    r"polic|requirement|length|at least|minimum|must |longer|characters|field|manager|hash|version"
    r"|strength|entropy",
    ignore_case=True,
)
"""Behind one of these words a name with a number is about passwords in general."""
_OWNER = (
    r"(?:my|his|her|our|your|their|the|mon|ma|mein|meine|mi|il mio|meu|m\xf3j|card|sim|phone|bank"
    r"|debit|atm|new|old|code|c\xf3digo)"
)
_CODE_IS = (
    r"(?:'s|[ \t]*(?:\bis|\bwas|\bto|\bist|\best|\bes|\bjest|\xe8|\xe9|\blautet|\bset|\bchanged"
    r"|\bstill|\bnow|[:=,]|\?)){1,4}"
)
_CODE_OF = (
    r"(?:door|gate|alarm|safe|entry|garage|lockbox|locker|security|access|verification|one[ -]time"
    r"|unlock|backup|recovery|2fa|mfa|sms|otp"
    r"|auth(?:entication|orization)?|login|confirmation|vault|voicemail|keypad|building|sicherheits"
    r"|best\xe4tigungs|t\xfcr)"
)
_PIN = r"pin(?:[ -]?(?:code|number|nummer))?"
_DIGIT_CODE = Pattern(
    rf"\b(?:{_OWNER} {_PIN}|(?-i:PIN)(?:[ -]?(?:code|number))?)(?:{_CODE_IS})?[ \t\n]*[\"'`(]?(\d{{4,8}})\b"
    rf"|\b{_PIN}{_CODE_IS}[ \t\n]*[\"'`]?(\d{{4,8}})\b"
    rf"|\b{_CODE_OF}[ -]?(?:code|passcode|combination|combo"
    rf"|pin)(?:{_CODE_IS})?[ \t\n]*[\"'`]?(\d{{4,8}}(?:-\d{{4,8}})?)\b"
    rf"|\b(?-i:OTP|TOTP|2FA|TAN|mTAN)(?: ?code)?(?:{_CODE_IS})?[ \t\n]*[\"'`]?(\d{{4,8}})\b"
    rf"|(?:(?:\bpasscode|\bcombination|\x1a+){_CODE_IS}|\x1a+ )[ \t\n]*[\"'`]?(\d{{4,8}})\b",
    ignore_case=True,
)
_SEED = Pattern(
    r"\b(?:seed|recovery|mnemonic|backup|secret)[ -]?(?:phrase|words?|seed"
    r"|mnemonic)?[^\n:=]{0,24}(?:[:=]|\bis\b)[ \t\n]*[\"'`]?"
    r"((?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8})\b"
)
_MIN_WORDS = 8
"""Least distinct words of a wallet among twelve."""
_POSTAL = 6
"""Digits of a postal code of India, which is called a PIN code."""


def phrases(text: str) -> Iterator[Match]:
    """Yield values that look like passwords in sentences about a password or a login."""
    for start, end in _sentences(text):
        is_about = _OF_PASSWORD.is_in(text[start:end])
        for token in _TOKEN.finditer(text, start, end):
            written = token[0]
            if not _HAS_SIGN.search(written):
                continue
            count_candidate()
            value = written.rstrip(".?:,/-")
            at = token.start()
            if value.count("/") == 1:
                at, value = at + value.index("/") + 1, value.split("/")[1]
            before, after = text[start:at], text[at + len(value) : end]
            if not is_about:
                is_named = _OF_ACCOUNT.is_in(before) and is_password(value)
            elif is_strong(value):
                is_named = not _RULE.is_in(before[-_NEAR:])
            else:
                is_named = is_password(value) and _is_named(before, after)
            if is_named:
                yield secret_at(at, at + len(value), PROBABLE)


def _is_named(before: str, after: str) -> bool:
    """Whether the words before a value, or behind it, say that it is a password."""
    if _RULE.is_in(before):
        return False
    return _NAMED_BEFORE.is_in(before) or _OF_ACCOUNT.is_in(before) or _NAMED_AFTER.is_in(after)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text that are near a word for a password, within one sentence."""
    done = 0
    for start, end in _ANCHOR.places(text):
        if end <= done or _OF_IDENTIFIER.match(text, end):
            continue
        first = max(done, start - _BEFORE)
        for stop in _END.finditer(text, first, start):
            first = stop.end()
        until = _END.search(text, end, end + _AFTER)
        done = until.start() if until else min(len(text), end + _AFTER)
        yield first, done


def codes(text: str) -> Iterator[Match]:
    """Yield PINs, one-time codes and codes of doors, and the words from which a wallet is restored."""
    for span in _DIGIT_CODE.find(text):
        start, end = max(span.groups)
        before = text[span.start : start].lower()
        if not ("code" in before and "pin" in before and end - start == _POSTAL):
            yield secret_at(start, end, PROBABLE)
    for span in _SEED.find(text):
        start, end = span.groups[0]
        if len(set(text[start:end].replace(",", " ").split())) >= _MIN_WORDS:
            yield secret_at(start, end, PROBABLE)


WORDS = rf"identified by|{_WORD}|{_LOGIN}|{_ACCOUNT}"
CODES = r"\bpin\b|code\b|passcode|combination|\botp\b|\btotp\b|\b2fa\b|\bm?tan\b|seed|mnemonic|recovery|\x1a"
