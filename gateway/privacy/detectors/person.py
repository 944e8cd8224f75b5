"""Names of people, by lists of names, titles and introducing words, and endings of surnames."""

import re
from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from gateway.domain.text.pattern import Pattern
from gateway.domain.text.search_budget import count_candidate
from gateway.privacy.detector import (
    LIKELY,
    POSSIBLE,
    PROBABLE,
    Match,
    end_of_paragraph,
    paragraphs,
)
from gateway.privacy.detectors.introduced import introduced_at
from gateway.privacy.detectors.name_lists import (
    CERTAIN_ENDINGS,
    DOUBTFUL,
    FAMILY,
    FAMILY_ENDINGS,
    GIVEN,
    plain,
)
from gateway.privacy.detectors.person_words import INSTITUTIONS, NO_NAMES, PARTICLES, STREETS, TITLES
from gateway.privacy.detectors.records import record_matches

# A question mark represents a letter outside Latin-1.
_WORD = Pattern(r"[A-Z\xc0-\xde?][A-Za-z\xc0-\xff?]*(?:['-][A-Za-z\xc0-\xff?]+)*")
_OPENING = "\"'([{<*>-"
_CAPITALISED = re.compile(r"[A-Z\"'(\[{<*>\x80-\U0010ffff-](?<![^ ].)[^ ]*", re.DOTALL)
"""What may begin a name: behind a space, a capital, an opening mark or a letter that may be one."""
_CLOSING = "\"'.,;:!?)]}>*"
_JOINTS = frozenset("_@#/\\.-0123456789")
_MARKS = (
    r'[\n\t,;|=&^~+<>"()\[\]{}\u0e00-\u0e7f\u3040-\u30ff\u20d0-\u20ff\u2600-\u27bf\u3400-\u9fff\uac00-\ud7af'
    r"\U0001f000-\U0001faff]+"
)
_ESCAPES = (
    r"(?:\x1b|\\(?:x1[bB]|u001[bB]|033|e))\[[0-9;]{0,20}[A-Za-z]|\\[nrt]"
    r"|%(?:0[9AD]|2[02-9C]|3[A-F]|5[BD]|7[B-D])"
)
_BETWEEN_CELLS = re.compile(_MARKS)
_BETWEEN_ESCAPED_CELLS = re.compile(f"{_MARKS}|{_ESCAPES}")
"""Separators of lines and cells, also escaped, and scripts without spaces; a name ends there."""
_MAX_WORDS = 5
_LAST_TWO = frozenset(ending[-2:] for ending in FAMILY_ENDINGS)
_WRITTEN_SMALL = TITLES | {"name", "named", "dear"}
"""A text without capitals is searched only if it contains one of these, or a given name."""
_WITH_DIGIT = re.compile(r"(?<!\S)[^\s0-9]*[0-9]\S*")
"""A hash, a number or a part of one, which is no name written small."""
_BREAKS = str.maketrans(dict.fromkeys('\t\n\r.,;:!?()[]{}<>"`*#=|/\\+^$%&~@_-0123456789', " "))


class _Word(NamedTuple):
    """A word in a run of capitalised words, and whether a mark behind it ends the run."""

    start: int
    end: int
    plain: str
    is_last: bool


class PersonDetector:
    """Finds names of people by lists and cues; a language model would find more."""

    types = ("PERSON",)

    def find(self, text: str) -> Iterator[Match]:
        """Yield the names, without titles before them."""
        yield from record_matches(text, "PERSON")
        if text == text.lower() and _names_nobody(text):
            return
        shown, titled = _with_capitals(text)
        introduced, seen = introduced_at(text), dict[str, list[_Word]]()
        for start, cell in _cells(shown, introduced):
            count_candidate()
            has_case = not (titled and _is_within(start, titled))
            for run in _runs(cell, start, seen):
                if any(word.start in introduced or _may_be_name(word) for word in run):
                    for first, last, confidence in _in_run(text, run, introduced, has_case=has_case):
                        yield Match("PERSON", first, last, confidence)


def _with_capitals(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Capitalise the paragraphs without capitals that may name a person; also return their spans."""
    is_one = "\n" not in text
    if (is_one and not text.islower()) or _names_nobody(text):
        return text, []
    pieces: list[str] = []
    titled: list[tuple[int, int]] = []
    done = 0
    for start, paragraph in paragraphs(text):
        count_candidate()
        if not paragraph.islower() or _names_nobody(paragraph):
            continue
        shown, end = (
            _WITH_DIGIT.sub(lambda piece: piece[0].lower(), paragraph.title()),
            start + len(paragraph),
        )
        if len(shown) == len(paragraph):
            pieces += [text[done:start], shown]
            titled.append((start, end))
            done = end
    return "".join([*pieces, text[done:]]), titled


def _is_within(at: int, places: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the sorted spans contains an offset."""
    before = bisect_right(places, at, key=itemgetter(0)) - 1
    return before >= 0 and at < places[before][1]


def _cells(text: str, introduced: Container[int]) -> Iterator[tuple[int, str]]:
    """Yield the start and the text of each part with capitals, in which a name may be.

    A part of one letter counts only at the end of a paragraph, after introducing words.
    """
    has_escapes = "\\" in text or "%" in text or "\x1b" in text
    start = 0
    for found in (_BETWEEN_ESCAPED_CELLS if has_escapes else _BETWEEN_CELLS).finditer(text):
        end = found.start()
        is_long = end - start > 1 or (start in introduced and end_of_paragraph(text, end, end + 1) == end)
        if is_long and not (cell := text[start:end]).islower():
            yield start, cell
        start = found.end()
    yield start, text[start:]


def _names_nobody(text: str) -> bool:
    """Whether a text without capitals has none of the words that a name in it needs."""
    words = text.translate(_BREAKS).split()
    return GIVEN.isdisjoint(words) and _WRITTEN_SMALL.isdisjoint(words)


def _may_be_name(word: _Word) -> bool:
    written = word.plain
    if written in FAMILY or written in DOUBTFUL or written in TITLES:
        return True
    return written[-2:] in _LAST_TWO and written.endswith(FAMILY_ENDINGS)


def _runs(line: str, start: int, seen: dict[str, list[_Word]]) -> Iterator[list[_Word]]:
    """Yield the runs of capitalised words in a line; particles may be between them.

    `seen` caches the words of each piece, with offsets from 0.
    """
    run: list[_Word] = []
    done = 0
    for found in _CAPITALISED.finditer(line):
        piece = found[0]
        if not (piece[0].isupper() or piece[0] in _OPENING):
            continue
        first = found.start()
        if run and first > done + 1 and not PARTICLES.issuperset(line[done + 1 : first - 1].split(" ")):
            yield run
            run = []
        done, at = found.end(), start + first
        if piece.isalpha() and piece.isascii():
            run.append(_Word(at, start + done, piece.lower(), is_last=False))
            continue
        if piece not in seen:
            seen[piece] = _words(piece, 0)
        words = [_Word(w.start + at, w.end + at, w.plain, w.is_last) for w in seen[piece]]
        run += words[:1]
        if run and (len(words) != 1 or run[-1].is_last):
            yield run
            yield from ([word] for word in words[1:])
            run = []
    if run:
        yield run


def _words(piece: str, start: int) -> list[_Word]:
    """Return the capitalised words between two spaces; several if marks separate them."""
    if "@" in piece or "/" in piece:
        return []
    bare = piece.lstrip(_OPENING)
    start += len(piece) - len(bare)
    bare = bare.rstrip(_CLOSING)
    if bare == bare.lower():
        return []
    if bare.endswith(("'s", "'S")):
        bare = bare[:-2]
    if not bare.isalpha():
        return [] if bare.isalnum() else _among_marks(piece, start, bare)
    if not bare[0].isupper():
        return []
    written = plain(bare)
    return [_Word(start, start + len(bare), written, _is_end(piece, bare, written))]


def _is_end(piece: str, bare: str, written: str) -> bool:
    """Whether marks behind a word end the run: all but the full stop of an initial or a title."""
    if piece.endswith(bare):
        return False
    return not (piece.endswith(bare + ".") and (len(bare) == 1 or written in TITLES))


def _among_marks(piece: str, start: int, bare: str) -> list[_Word]:
    found = []
    # Patterns see letters beyond Latin-1 as question marks, so real question marks are replaced.
    for span in _WORD.find(bare.replace("?", ";")) if bare else ():
        before = bare[span.start - 1 : span.start]
        if not (before.isalnum() or before in _JOINTS) or not before:
            written = plain(bare[span.start : span.end])
            is_whole = span.end - span.start == len(bare)
            is_last = not is_whole or _is_end(piece, bare, written)
            found.append(_Word(start + span.start, start + span.end, written, is_last))
    return found


def _in_run(
    text: str, words: Sequence[_Word], introduced: frozenset[int], *, has_case: bool
) -> Iterator[tuple[int, int, float]]:
    at = 0
    while at < len(words):
        is_introduced = words[at].start in introduced or (at > 0 and words[at - 1].plain in TITLES)
        if at and not (is_introduced or _may_begin(words[at])):
            at += 1
            continue
        stop = _end(words, at, has_case=has_case)
        confidence, stop = _name_confidence(text, words, at, stop, is_introduced=is_introduced)
        if confidence:
            yield words[at].start, words[stop - 1].end, confidence
            at = stop
        else:
            at += 1


def _may_begin(word: _Word) -> bool:
    """Whether a name without introducing words may begin at this word, within a run."""
    return word.plain in GIVEN or word.plain in DOUBTFUL or word.plain.endswith(CERTAIN_ENDINGS)


def _end(words: Sequence[_Word], at: int, *, has_case: bool) -> int:
    """Return the end of the words that may form one name; in text without case only listed words do."""
    stop = at + 1
    while stop < min(len(words), at + _MAX_WORDS):
        word = words[stop]
        if word.plain in NO_NAMES or not (has_case or len(word.plain) == 1 or _is_family(word)):
            break
        stop += 1
    return stop


def _name_confidence(
    text: str, words: Sequence[_Word], at: int, stop: int, *, is_introduced: bool
) -> tuple[float, int]:
    """Return the confidence that the words from `at` to `stop` are a name (0: none), and its end."""
    word, last = words[at], words[stop - 1]
    if word.plain in NO_NAMES or word.plain in TITLES:
        return 0.0, stop
    if any(each.plain in INSTITUTIONS for each in words[at + 1 : stop]) or text.startswith(" &", last.end):
        return 0.0, stop
    if is_introduced:
        return LIKELY, stop
    before = words[at - 1].plain if at else ""
    if before in STREETS or word.plain in STREETS or _is_street(text, word, last):
        return 0.0, stop
    return _listed(words, at, stop)


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
    """Whether a number is next to a name of several words, as with streets named after people."""
    if first is last:
        return False
    before, behind = text[max(0, first.start - 2) : first.start], text[last.end : last.end + 2]
    return (before[:1].isdigit() and before[1:] == " ") or (behind[:1] == " " and behind[1:].isdigit())
