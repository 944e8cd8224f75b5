"""Finds a question in one message whose answer in a later message is a bare value.

Each message is scanned once: which kinds of data it names, and which of its lines hold only a value. A
detector gets one more variant of a later message, in which each such line becomes `name: value`, for the
names in earlier messages. Variants only add findings.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from gateway.domain.text.pattern import Pattern, known_set
from gateway.privacy.detector import Detector, digits_in
from gateway.privacy.detectors.login_words import marked
from gateway.privacy.detectors.secret_value import is_password_alone
from gateway.privacy.normalize import NO_OFFSET, NormalText
from gateway.privacy.question_words import QUESTION_PATTERNS
from gateway.privacy.split_words import joined_words_apart

MAX_LINES = 256
"""The most lines of one message that are scanned as answers."""
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_TOKEN = rf"(?:[A-Z]{{0,8}}\d[A-Z0-9]*|(?-i:[A-Z]{{1,4}})|{_MONTH}|of)"
_LEAD = (
    r"(?m)^[ \t>*\"'`(\[{#?_~-]*"
    r"(?:(?:answer|value|response|reply|text|content|message|result|number|input)[\"'] *: *[\"'\[]*)?"
)
"""Marks, emoji (patterns see them as question marks), and a JSON key without a meaning of its own."""
_OPENING = (
    r"(?:(?:it'?s|it is|that'?s|that is|this is|here(?: it is| you go| you are|'s)?|sure|ok(?:ay)?|yes|yeah"
    r"|so|well|mine|my|is|the|number|no|nr|num|to|jest|m[o\xf3]j[ae]?|prosz[e?]|oto|tak|dobrze|meine?|ist|das|hier"
    r"|ja|bitte|lautet|c'est|voici|voil[a\xe0]|mon|est|oui|es|el|mi|s[i\xed\xec]|aqu[i\xed]|claro"
    r"|[\xe8\xe9]|il|mio|ecco|meu|aqui|sim|het|mijn)(?: *[,:;.!#]+ *| +)(?:- )?){0,5}"
)
"""Words before an answer; after any other word the number may be something else."""
_CLOSING = (
    r"[ \t.,;!?\"'`)\]}*_~-]*(?:(?:thanks|thank you|please|(?:that'?s )?mine|danke|bitte|merci|gracias|grazie"
    r"|obrigad[ao]|bedankt|dzi.kuj.|prosz[e?])[ \t.,!]*){0,2}\r?$"
)
_ANSWER = Pattern(
    rf"{_LEAD}{_OPENING}([+(]?{_TOKEN}(?:[ .,/()+-]{{1,3}}{_TOKEN}){{0,24}}\)?){_CLOSING}", ignore_case=True
)
_LONE_WORD = Pattern(rf"{_LEAD}{_OPENING}([^\s\"'`]{{8,200}})[ \t\"'`)\]}}\r]*$", ignore_case=True)
_MIN_DIGITS = 4
_MAX_CHARS = 48


class Questions:
    """The kinds of data that the detectors of a policy can be asked for; holds no state of a request."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._asked: list[tuple[int, str]] = []
        sources: list[str] = []
        for index, detector in enumerate(detectors):
            for source, name in _words_of(detector):
                self._asked.append((index, name))
                sources.append(source)
        self._words = known_set(tuple(sources))
        self._secret = {index for index, each in enumerate(detectors) if "SECRET" in each.types}

    def named_in(self, variants: Iterable[NormalText]) -> frozenset[int]:
        """Return the kinds of data that a message names; raises MemoryError."""
        return frozenset(
            at
            for variant in variants
            for at in self._words.matching(joined_words_apart(marked(variant.text)))
        )

    def has_answers(self, variants: Sequence[NormalText]) -> bool:
        """Whether a line of a message may be an answer to something."""
        return any(True for variant in variants for _ in _lines(variant.text))

    def answers(self, named: frozenset[int], variants: Sequence[NormalText]) -> Mapping[int, NormalText]:
        """Return, by the index of a detector, its variant of the lines of a message that may be answers."""
        if not named:
            return {}
        lines = [(variant, *line) for variant in variants for line in islice(_lines(variant.text), MAX_LINES)]
        found: dict[int, NormalText] = {}
        for index in sorted({self._asked[at][0] for at in named}):
            names = [name for at in sorted(named) for owner, name in [self._asked[at]] if owner == index]
            is_secret = index in self._secret
            usable = [line for line in lines if line[3] is is_secret]
            if usable:
                found[index] = _joined(names, usable)
        return found


def _words_of(detector: Detector) -> Iterator[tuple[str, str]]:
    own: Sequence[str] | None = getattr(detector, "question_words", None)
    if own is None:
        for kind in detector.types:
            yield from QUESTION_PATTERNS.get(kind, ())
    else:
        for word in own:
            yield re.escape(word.encode("latin-1", "replace").decode("latin-1")), word


def _lines(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, is_secret) of each line that holds only a number or a date, or only a password."""
    if digits_in(text):
        for span in _ANSWER.find(text):
            start, end = span.groups[0]
            if end - start <= _MAX_CHARS and digits_in(text[start:end]) >= _MIN_DIGITS:
                yield start, end, False
        for span in _LONE_WORD.find(text):
            start, end = span.groups[0]
            if is_password_alone(text[start:end]):
                yield start, end, True


def _joined(names: Iterable[str], lines: Sequence[tuple[NormalText, int, int, bool]]) -> NormalText:
    pieces: list[str] = []
    origins: list[int] = []
    for name in names:
        for variant, start, end, _ in lines:
            lead = f"{name}: " if not pieces else f"\n\n{name}: "
            pieces += [lead, variant.text[start:end]]
            origins += [NO_OFFSET] * len(lead)
            origins += range(start, end) if variant.offsets is None else variant.offsets[start:end]
    return NormalText("".join(pieces), tuple(origins))
