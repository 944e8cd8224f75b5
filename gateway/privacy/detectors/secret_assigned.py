"""Values assigned to names such as `password` or `api_key`, in programs, files and elements."""

import re
from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern
from gateway.privacy.detector import LIKELY, PROBABLE, Match
from gateway.privacy.detectors.login_words import (
    KEY_MARK,
    KEY_WORDS,
    LOGIN_MARK,
    LOGIN_WORDS,
    OTHER_LOGIN_WORDS,
)
from gateway.privacy.detectors.secret_formats import MAKERS
from gateway.privacy.detectors.secret_value import (
    is_location,
    is_name_of_thing,
    is_named_number,
    is_placeholder,
    is_secret,
    is_secret_literal,
    is_sentence,
    secret_at,
)

NAME = (
    rf"(?:{LOGIN_WORDS}|{OTHER_LOGIN_WORDS}|{KEY_WORDS}|secret|token|credentials?|bearer"
    r"|api[ _-]?key|app[ _-]?key|access[ _-]?key"
    r"|auth(?:entication)?[ _-]?key|private[ _-]?key|secret[ _-]?key|account[ _-]?key|encryption[ _-]?key"
    r"|signing[ _-]?key|shared[ _-]?key|master[ _-]?key|license[ _-]?key|[_-](?:key|salt)|_auth)"
)
_OPERATOR = (
    r"(?: [a-z]{3,12})?[ \t]{0,8}"
    r"(?:[?.:|+~]{0,3}=>?|={2,3}|: ?&?(?:'static )?[a-z]{3,12}[ \t]{0,8}=|:|<=|\bis\b| - "
    r"| (?:ist|lautet|est|es|jest|[\xe9\xe8]|[a\xe4]r)[ :])[ \t]{0,8}"
)
_ASSIGNED = Pattern(
    rf"((?:[a-z0-9]+[._-]){{0,6}}[a-z0-9]*{NAME}(?:[._-]?[a-z0-9_.-]{{0,30}})?)"
    rf"(?:(?:\\?[\"'\]]){{0,2}}{_OPERATOR}(?:[bruf]{{0,2}}[\"'`]|\\\")?|[\"'],[ \t]{{0,20}}[\"'])"
    r"([^\s\"'`\\,;<>(){}]{5,200})",
    ignore_case=True,
)
_QUOTES = ("'", '"', "`")
_ABOUT_ONE = Pattern(
    r" (?:policy|length|field|hint|format|type|size|error|reset|manager|hash|rule|version|file|path"
    r"|name|id)\b",
    ignore_case=True,
)
_QUOTED = Pattern(
    rf"([a-z0-9_.-]{{0,30}}(?:{LOGIN_WORDS}|_key|_salt|secret)[a-z0-9_.-]{{0,30}})[\"']?"
    r"(?:[ \t]{0,8}(?:=>?|:)|,)[ \t]{0,20}(?:\"([^\"\n\\]{5,128})\"|'([^'\n\\]{5,128})')",
    ignore_case=True,
)
_LINE = Pattern(
    rf"(?m)^[ \t]*(?:export )?([a-z0-9_.-]{{0,40}}(?:{LOGIN_WORDS}))[ \t]*[:=][ \t]*"
    r"([^\s\"'<>(){}\[\]$%]{5,64})$",
    ignore_case=True,
)
_NAMED = Pattern(NAME, ignore_case=True)
_ELEMENT = Pattern(
    rf"<([a-z0-9._-]*{NAME}[a-z0-9._-]*)(?: [^<>\n]{{0,60}})?>[ \t]*\n?[ \t]*"
    r"([^\s<>]{5,200})[ \t]*\n?[ \t]*</",
    ignore_case=True,
)
_MAKER = Pattern(
    rf"\b(?:{MAKERS})[ \t\"']*[:=]=?[ \t\"'`]*([A-Za-z0-9_-]{{24,128}}={{0,2}})(?:[\"'`;,\s]|$)",
    ignore_case=True,
)
# Dockerfile, fish, csh, Windows: a name in capitals and a value, with only spaces between.
_SET = Pattern(
    r"(?:^|[\s;&>`\"'])(?i:env|arg|setenv|setx|set(?:[ \t]+--?[a-z]{1,12}){1,3})[ \t]+"
    r"[\"']?([A-Z][A-Z0-9_]{2,60})[\"']?[ \t]+[\"']?([^\s\"'`;|&<>(){}]{5,200})"
)
# A marked word, what may follow it (a question mark is a letter outside Latin-1), and a value.
_MARKED = Pattern(
    r"(\x1a+|\x1c+)"
    r"(?:[?a-z ,']{0,24}[:=-]{1,2}|[?]{0,24}|[? ]{0,24} |[?]{0,4} (?:to|jest|este|je|yra) )"
    r"[ \t\"'`?(\[]{0,4}([!#-&*-.0-9:;<=>@A-Z\\^_a-z|~+/]{5,128})"
)
_COPULA = re.compile("[是为為はが는은:=«「『„“\"'\u2014\u2013-]|คือ|هي|هو|היא|הוא|είναι|है|হল|это|là")
"""Between a word for a password and a value, says that the value is it."""


def assigned(text: str) -> Iterator[Match]:
    """Yield values that are assigned to names of passwords and keys."""
    for pattern in (_ASSIGNED, _ELEMENT):
        for span in pattern.find(text):
            (name_start, name_end), (start, end) = span.groups
            value = text[start:end].rstrip(".:!?")
            is_expression = text[end : end + 1] == "(" or value.endswith("[")
            between = text[name_end:start]
            is_about = _ABOUT_ONE.is_in(between) or (
                between.endswith(_QUOTES) and text[end : end + 1] == " " and is_named_number(value)
            )
            if not (is_expression or is_about) and is_secret(text[name_start:name_end], value):
                yield secret_at(start, start + len(value), PROBABLE if len(value) < 16 else LIKELY)
    for span in _QUOTED.find(text):
        start, end = max(span.groups[1:])
        if is_secret_literal(text[slice(*span.groups[0])], text[start:end]):
            yield secret_at(start, end, PROBABLE)
    for span in _LINE.find(text):
        start, end = span.groups[1]
        value = text[start:end]
        is_word = is_name_of_thing(text[slice(*span.groups[0])], value) or value.endswith(
            (",", ";", ".", ":")
        )
        if not (is_word or is_placeholder(value) or is_location(value) or is_sentence(value)):
            yield secret_at(start, end, PROBABLE)
    yield from _marked(text)


def _marked(text: str) -> Iterator[Match]:
    if LOGIN_MARK not in text and KEY_MARK not in text:
        return
    for span in _MARKED.find(text):
        (name_start, name_end), (start, end) = span.groups
        name, value = text[name_start:name_end], text[start:end].rstrip(".:!,;)")
        if is_secret(name, value) and (_COPULA.search(text, name_end, start) or not is_named_number(value)):
            yield secret_at(start, start + len(value), PROBABLE)


def set_values(text: str) -> Iterator[Match]:
    """Yield values of variables in Dockerfiles and shells that write them without a sign."""
    for span in _SET.find(text):
        (name_start, name_end), (start, end) = span.groups
        name = text[name_start:name_end]
        if _NAMED.is_in(name) and is_secret(name, text[start:end]):
            yield secret_at(start, end, LIKELY)


def of_makers(text: str) -> Iterator[Match]:
    """Yield keys that are assigned to the name of a provider."""
    for span in _MAKER.find(text):
        start, end = span.groups[0]
        if is_secret("api_key", text[start:end]):
            yield secret_at(start, end, PROBABLE)
