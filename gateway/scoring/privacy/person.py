"""Names of people: from lists of names, titles before them, words that introduce them, and how surnames end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.scoring.pattern import Pattern
from gateway.scoring.privacy.detector import LIKELY, POSSIBLE, PROBABLE, Match, paragraphs
from gateway.scoring.privacy.name_lists import (
    CERTAIN_ENDINGS,
    DOUBTFUL,
    FAMILY,
    FAMILY_ENDINGS,
    GIVEN,
    plain,
)

_TITLES = frozenset(
    """
    mr mrs ms miss mx dr prof professor doctor sir madam madame mme mlle monsieur herr frau senor senora
    senorita don dona signor signora pan pani panie panem pana lord lady dame rev reverend fr father sister
    brother uncle aunt auntie judge justice senator congressman president chancellor captain capt major colonel
    col lieutenant lt sergeant sgt general gen mayor governor
    """.split()
)
_CUES = frozenset(
    "name names named called dear regards sincerely cheers thanks signed i'm im am is it's".split()
)
"""Words of which one is in front of a name that is given as such, see _INTRODUCED."""
_INTRODUCED = Pattern(
    r"(?:\b(?:(?:my|his|her|their|your|whose|maiden|last|first|full|sur|user|client|customer|patient|employee)"
    r"[ _-]?name(?: is|'s| was)?|name(?:d| is)?|(?:i am|i'm|it's|this is) called|signed(?: by)?"
    r"|dear|(?:kind |best |warm )?regards|sincerely|cheers)[ \t]*[:=,]?[ \t\n]*[\"']?)$",
    ignore_case=True,
)
_INTRODUCED_REACH = 40

# A name that is written with capitals; a question mark stands for a letter outside Latin-1.
_WORD = r"[A-Z\xc0-\xde?][A-Za-z\xc0-\xff?]*(?:['-][A-Za-z\xc0-\xff?]+)*"
_PARTICLE = (
    r"(?:(?:van|von|de|der|den|del|della|di|da|do|dos|du|la|le|el|al|bin|ibn|ten|ter|zu|af|av|y) ){1,2}"
)
_RUN = Pattern(rf"{_WORD}(?:\.? (?:{_PARTICLE})?{_WORD})*")

_NO_NAMES = frozenset(
    """
    the a an and or but if in on at by for from to of with as is are was were be it its he she they we you i
    this that these those there here what which who whom whose when where why how not no yes all any each
    every some one two three four five first second third last next new old our your his her their my mine
    do does did has have had can could will would shall should may might must let lets please thanks thank hi
    hello hey dear so then than now also however because while after before during until since although
    though given suppose assume consider find calculate according question answer note use see say says said
    today tomorrow yesterday monday tuesday wednesday thursday friday saturday sunday january february march
    april may june july august september october november december mr mrs ms dr prof sir lord lady king queen
    prince princess president senator general captain doctor professor saint st god jesus christ
    date time name phone mobile email address fax desk website user bot regards sincerely subject
    """.split()
)
"""Capitalised words that begin sentences, forms or titles, and no names."""
_INSTITUTIONS = frozenset(
    """
    inc ltd llc llp plc gmbh ag corp corporation company co group holdings partners associates bros sons
    university college school academy institute hospital clinic church cathedral foundation museum orchestra
    hall house theatre theater stadium square tower center centre hotel island islands republic kingdom states
    party war street st avenue ave road rd lane drive boulevard park bridge airport county city town lake mount
    mountain river bay beach bank act law laws theorem theory principle effect equation constant prize award
    cup league club team band studios records pictures press times post journal review magazine award awards
    day week month year court commission committee council agency department ministry office union association
    society organization organisation federation conference industries systems solutions technologies services
    international global news network media airlines motors energy insurance capital trust fund method test
    scale disease syndrome number numbers model algorithm distribution series transform function space
    """.split()
)
"""What ends the name of something that is called after a person and is none."""
_STREETS = frozenset(
    """
    rua via viale piazza corso calle avenida avda paseo plaza carrer camino rue boulevard chemin quai ulica
    aleja strada straat laan apt suite
    """.split()
)
"""What begins the name of a street that is called after a person."""
_MOST_WORDS = 5
_BREAKS = str.maketrans(dict.fromkeys('\t\n\r.,;:!?()[]{}<>"`*#=|/\\+^$%&~@_-0123456789', " "))
_SIGNS = GIVEN | DOUBTFUL | FAMILY | _TITLES | _CUES


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a run of capitalised ones."""

    start: int
    end: int
    plain: str
    is_last: bool
    """Whether a full stop behind it ends a sentence."""


class PersonDetector:
    """Finds names of people who are named as such: what a language model would find, it finds in part."""

    types = ("PERSON",)

    def find(self, text: str) -> Iterator[Match]:
        """Yield the names, without titles before them."""
        for offset, paragraph in paragraphs(text):
            for start, end, confidence in _in_paragraph(paragraph):
                yield Match(type="PERSON", start=offset + start, end=offset + end, confidence=confidence)


def _in_paragraph(text: str) -> Iterator[tuple[int, int, float]]:
    has_case = not text.islower()
    shown = text if has_case else text.title()
    if len(shown) != len(text) or not has_sign(shown):
        return
    # A letter that a pattern cannot see is a question mark to it, so that a real one must not be.
    for span in _RUN.find(shown.replace("?", ";")):
        yield from _in_run(text, _words(shown, span.start, span.end), has_case=has_case)


def has_sign(text: str) -> bool:
    """Whether a word is there without which no name is found; quick, for the many texts without any."""
    for word in text.translate(_BREAKS).split():
        if word in _CUES:
            return True
        if word[0].isupper():
            written = plain(word)
            if written in _SIGNS or written.endswith(FAMILY_ENDINGS):
                return True
    return False


def _words(text: str, start: int, end: int) -> list[_Word]:
    words = []
    for piece in text[start:end].split(" "):
        bare = piece.rstrip(".")
        if bare.endswith(("'s", "'S")):
            bare = bare[:-2]
        written = plain(bare)
        is_last = piece[-1:] == "." and len(bare) > 1 and written not in _TITLES
        words.append(_Word(start, start + len(bare), written, is_last))
        start += len(piece) + 1
    return words


def _in_run(text: str, words: Sequence[_Word], *, has_case: bool) -> Iterator[tuple[int, int, float]]:
    at = 0
    while at < len(words):
        stop = _end(words, at, has_case=has_case)
        confidence, stop = _judge(text, words, at, stop)
        if confidence:
            yield words[at].start, words[stop - 1].end, confidence
            at = stop
        else:
            at += 1


def _end(words: Sequence[_Word], at: int, *, has_case: bool) -> int:
    """Return where the words that may belong to one name end; without capitals only what is listed does."""
    stop = at + 1
    while stop < min(len(words), at + _MOST_WORDS) and not words[stop - 1].is_last:
        word = words[stop]
        if word.plain in _NO_NAMES or not (has_case or len(word.plain) == 1 or _is_family(word)):
            break
        stop += 1
    return stop


def _judge(text: str, words: Sequence[_Word], at: int, stop: int) -> tuple[float, int]:
    """Return how sure it is that the words from `at` to `stop` are a name, 0 for not at all, and its end."""
    word, last = words[at], words[stop - 1]
    if word.plain in _NO_NAMES or word.plain in _TITLES or text[word.start - 1 : word.start] in _JOINTS:
        return 0.0, stop
    if any(each.plain in _INSTITUTIONS for each in words[at + 1 : stop]) or text[last.end :][:2] == " &":
        return 0.0, stop
    if at and words[at - 1].plain in _TITLES or _is_introduced(text, word.start):
        return LIKELY, stop
    if at and words[at - 1].plain in _STREETS or word.plain in _STREETS or _is_street(text, word, last):
        return 0.0, stop
    return _listed(words, at, stop)


_JOINTS = frozenset("_@#/\\.-0123456789")


def _listed(words: Sequence[_Word], at: int, stop: int) -> tuple[float, int]:
    word, last = words[at], words[stop - 1]
    is_full = stop - at > 1 and len(last.plain) > 1
    if word.plain in GIVEN:
        return (LIKELY, stop) if is_full else (PROBABLE, at + 1)
    if word.plain in DOUBTFUL:
        return (LIKELY, stop) if is_full and _is_family(last) else (POSSIBLE, at + 1)
    if is_full and _is_family(last) and at == 0 and stop == len(words):
        return PROBABLE, stop
    return (PROBABLE, at + 1) if word.plain.endswith(CERTAIN_ENDINGS) else (0.0, stop)


def _is_family(word: _Word) -> bool:
    return word.plain in FAMILY or word.plain.endswith(FAMILY_ENDINGS)


def _is_street(text: str, first: _Word, last: _Word) -> bool:
    """Whether a number stands before or behind a name of several words, as with streets called after people."""
    if first is last:
        return False
    return (
        text[max(0, first.start - 2) : first.start - 1].isdigit()
        or text[last.end + 1 : last.end + 2].isdigit()
    )


def _is_introduced(text: str, start: int) -> bool:
    return _INTRODUCED.is_in(text[max(0, start - _INTRODUCED_REACH) : start])
