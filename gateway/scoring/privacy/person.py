"""Names of people: from lists of names, titles before them, words that introduce them, and how surnames end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.scoring.pattern import Pattern
from gateway.scoring.privacy.detector import LIKELY, POSSIBLE, PROBABLE, Match
from gateway.scoring.privacy.name_lists import DOUBTFUL, FAMILY, FAMILY_ENDINGS, GIVEN, plain

_TITLES = frozenset(
    """
    mr mrs ms miss mx dr prof professor doctor sir madam madame mme mlle monsieur herr frau senor senora
    senorita don dona signor signora pan pani panie panem pana lord lady dame rev reverend fr father sister
    brother uncle aunt auntie judge justice senator congressman president chancellor captain capt major colonel
    col lieutenant lt sergeant sgt general gen mayor governor
    """.split()
)
_CUES = frozenset("name names named called dear regards sincerely cheers thanks signed i'm im am is it's".split())
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
_PARTICLE = r"(?:(?:van|von|de|der|den|del|della|di|da|do|dos|du|la|le|el|al|bin|ibn|ten|ter|zu|af|av|y) ){1,2}"
_RUN = Pattern(rf"{_WORD}(?:\.? (?:{_PARTICLE})?{_WORD}){{0,5}}")

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
_MOST_WORDS = 4
_BREAKS = str.maketrans(dict.fromkeys('\t\n\r.,;:!?()[]{}<>"`*#=|/\\+^$%&~@_-0123456789', " "))
_SIGNS = GIVEN | DOUBTFUL | _TITLES | _CUES


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a run of capitalised ones."""

    start: int
    end: int
    plain: str
    is_initial: bool


class PersonDetector:
    """Finds names of people who are named as such: what a language model would find, it finds in part."""

    types = ("PERSON",)

    def find(self, text: str) -> Iterator[Match]:
        """Yield the names, without titles before them."""
        if not has_sign(text):
            return
        # Apart from a letter that a pattern cannot see, which is a question mark to it too.
        for span in _RUN.find(text.replace("?", ";")):
            yield from _in_run(text, _words(text, span.start, span.end))


def has_sign(text: str) -> bool:
    """Whether a word is there without which no name is found; quick, for the many texts without any."""
    words = text.translate(_BREAKS).split()
    return any(word[0].isupper() and plain(word) in _SIGNS for word in words) 


def _words(text: str, start: int, end: int) -> list[_Word]:
    words = []
    at = start
    for piece in text[start:end].split(" "):
        stop = at + len(piece)
        bare = piece.rstrip(".")
        if bare.endswith(("'s", "'S")):
            bare = bare[:-2]
        words.append(_Word(at, at + len(bare), plain(bare), is_initial=len(bare) == 1))
        at = stop + 1
    return words


def _in_run(text: str, words: Sequence[_Word]) -> Iterator[Match]:
    at = 0
    while at < len(words):
        found = _name_at(text, words, at)
        if found is None:
            at += 1
            continue
        stop, confidence = found
        yield Match(
            type="PERSON", start=words[at].start, end=words[stop - 1].end, confidence=confidence
        )
        at = stop


def _name_at(text: str, words: Sequence[_Word], at: int) -> tuple[int, float] | None:
    """Return where a name that begins at a word ends, and how sure it is; None where there is none."""
    word = words[at]
    before = text[word.start - 1 : word.start]
    if word.plain in _NO_NAMES or word.plain in _TITLES or before.isalnum() or before in ("_", "@", "#", "/"):
        return None
    stop = _end(words, at)
    last = words[stop - 1]
    if last.plain in _INSTITUTIONS or text[last.end : last.end + 2] == " &":
        return None
    if at and words[at - 1].plain in _TITLES or _is_introduced(text, word.start):
        return stop, LIKELY
    return _listed(words, at, stop)


def _listed(words: Sequence[_Word], at: int, stop: int) -> tuple[int, float] | None:
    word, last = words[at], words[stop - 1]
    is_full = stop - at > 1 and not last.is_initial
    is_family = last.plain in FAMILY or last.plain.endswith(FAMILY_ENDINGS)
    if word.plain in GIVEN:
        return (stop, LIKELY) if is_full else (at + 1, PROBABLE)
    if word.plain in DOUBTFUL:
        return (stop, LIKELY) if is_full and is_family else (at + 1, POSSIBLE)
    if is_full and is_family and at == 0 and stop == len(words):
        return stop, PROBABLE
    return None


def _end(words: Sequence[_Word], at: int) -> int:
    """Return where the words that may belong to one name end."""
    stop = at + 1
    while stop < len(words) and stop - at < _MOST_WORDS + 1 and words[stop].plain not in _NO_NAMES:
        stop += 1
    return stop


def _is_introduced(text: str, start: int) -> bool:
    return _INTRODUCED.is_in(text[max(0, start - _INTRODUCED_REACH) : start])
