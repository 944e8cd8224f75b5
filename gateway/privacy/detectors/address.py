"""Postal addresses: streets in several languages, boxes, units, and addresses after introducing words."""

from collections.abc import Iterator

from gateway.domain.text.pattern import Pattern, PatternSet, as_data
from gateway.domain.text.search_budget import count_candidate
from gateway.privacy.detector import LIKELY, PROBABLE, Match, digits_in, paragraphs
from gateway.privacy.detectors.records import record_matches

# A question mark stands for a letter outside Latin-1.
_LETTER = r"[A-Za-z\xc0-\xff?]"
_NAME = rf"[A-Z\xc0-\xde?]{_LETTER}*(?:['-]{_LETTER}+)*\.?"
_ANY = rf"{_LETTER}+(?:['-]{_LETTER}+)*\.?"
_SMALL = r"(?:(?:de|la|le|las|los|el|al|du|des|del|della|dei|di|da|do|dos|das|van|von|der|den|het|'t|e|y) )"
_HOUSE = r"\d{1,6}(?:[A-Za-z]|-\d{1,5}|/\d{1,5})?\b"
_WORDS = rf"(?:{_SMALL}{{0,3}}{_NAME} ){{1,4}}"

_KINDS = (
    r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|square|sq|terrace"
    r"|way|parkway|pkwy|highway|hwy|circle|cir|trail|trl|crescent|cres|close|grove|mews|gardens|row|alley|walk"
    r"|hill|rise|quay|wharf|gate|esplanade|promenade|turnpike|loop|plaza)"
)
_FIRST = (
    r"(?:rue|avenue|boulevard|bd|place|chemin|impasse|all[\xe9e]e|quai|route|cours|via|viale|piazza|corso|largo"
    r"|strada|vicolo|calle|c/|avenida|avda|paseo|plaza|carrer|camino|ronda|traves[\xedi]a|carretera|ctra"
    r"|rua|r[\xfau]a|travessa|pra[\xe7c]a|estrada|alameda|ul|ulica|ulitsa|al|aleja|os|osiedle|pl|plac|ulice"
    r"|n[\xe1a]m|strada|str|jalan|jl|jln)"
)
_LAST = (
    r"(?:stra(?:\xdf|ss)e|str|weg|gasse|platz|allee|ufer|damm|steig|vej|vejen|gade|gaden|gata|gatan|gate"
    r"|v[\xe4a]gen|veien|vegen|veg|stien|katu|kuja|polku|laan|straat|plein|kade|gracht|singel|dreef|hof|park"
    r"|dijk|utca|[\xfau]tja)"
)
_UNIT = r"(?:apt|apartment|suite|ste|unit|flat|floor|apto|piso|lok|wohnung)\.? ?#?[0-9]{1,5}[a-z]?\b"
_STATE = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT"
    r"|V[AIT]|W[AIVY])"
)
_ONWARDS = rf"{_SMALL}{{0,3}}{_NAME}(?: {_SMALL}{{0,3}}{_NAME}){{0,4}}"

# Shapes of addresses with their confidence; each contains a number, because a street alone is not private.
_SHAPES: tuple[tuple[str, float], ...] = (
    # 12 Main Street
    (rf"\b{_HOUSE} (?:\d{{1,5}} )?{_WORDS}(?i:{_KINDS})\b\.?", LIKELY),
    # 12 rue de Rivoli, Calle Mayor 5
    (
        rf"\b(?:{_HOUSE},? (?:bis |ter )?){{1,2}}(?i:{_FIRST})\.? ?{_ONWARDS}(?:,? \d{{1,5}}[A-Za-z]?\b)?",
        LIKELY,
    ),
    (rf"\b(?i:{_FIRST})\.? ?{_ONWARDS},? (?:n[\xbaro]?\.? ?)?{_HOUSE}", LIKELY),
    # Hauptstra\xdfe 5, Villacher Strasse 89
    (rf"\b(?:{_HOUSE} )?(?:{_NAME}[ -]){{0,2}}[A-Z\xc0-\xde]{_LETTER}{{2,20}}{_LAST}\.? {_HOUSE}", LIKELY),
    (rf"\b(?:{_HOUSE} )?{_WORDS}(?i:{_LAST})\.? {_HOUSE}", LIKELY),
    # P.O. Box 12, and military addresses
    (
        r"(?i:\bP\.? ?O\.? ?Box \d{1,6}\b|\b(?:postbus|postfach|apartado|postbox|casilla) \d{1,6}\b"
        r"|\bpsc \d{1,5},? box \d{1,6}\b|\bunit \d{1,5},? box \d{1,5}\b"
        r"|\b(?:[a-z]+ ){0,2}[a-z]+[ \n](?:apo|fpo|dpo),? a[aep] \d{5}\b)",
        LIKELY,
    ),
    # 60 Anything Apt. 217
    (rf"\b\d{{1,6}} [^\n,;:!]{{2,40}}(?: |\n ?|, )(?i:{_UNIT})", LIKELY),
    # Springfield, IL 62704
    (rf"\b{_NAME}(?: {_NAME}){{0,2}}, {_STATE},? \d{{5}}(?:-\d{{4}})?\b", PROBABLE),
)
_MONTHS = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_NUMBERED = rf"(?:the corner of )?(?:{_HOUSE} (?:\d{{1,5}} )?{_ONWARDS}(?: {_HOUSE})?|{_ONWARDS} {_HOUSE})"
_INTRODUCED = (
    r"(?i:\baddress(?:es)?(?: is|:)"
    r"|\b(?:adresse?|direcci[\xf3o]n|indirizzo|endere[\xe7c]o|anschrift|adres)[:,]"
    r"|\b(?:lives?|lived|living|resid(?:es?|ed|ing)|located|based) (?:at|on|in)"
    r"|\b(?:moved|deliver(?:ed|y)?|ship(?:ped)?|sen[dt]|mail(?:ed)?|return(?:ed)?|arrived)"
    r"(?: it| them| this)? (?:to|at)"
    rf"|\b(?:office|shop|store|house|home|flat|clinic) is (?:at|on))[ \n]{{1,3}}({_NUMBERED})"
)
_PATTERNS = [(Pattern(source), confidence) for source, confidence in (*_SHAPES, (_INTRODUCED, PROBABLE))]
_PRESENT = PatternSet([source for source, _ in _SHAPES] + [_INTRODUCED])
_DATED = Pattern(rf"\b{_MONTHS} \d")
_TAIL = Pattern(
    rf"^(?:(?:,? |,?\n ?)(?i:{_UNIT}))?(?:(?:,? |,?\n[ >]?){_NAME}(?: {_LETTER}+\.?){{0,3}}(?:\n?, ?{_NAME})?"
    rf"(?:,? {_STATE})?,? \d{{4,6}}(?:-\d{{4}})?\b)?"
)
_REACH = 120
_MIN_CHARS = 5
"""Characters of "pl A1", the shortest that one of the shapes matches."""


class AddressDetector:
    """Finds postal addresses that contain a number; a street alone is not private."""

    types = ("ADDRESS",)
    min_digits = 1

    def find(self, text: str) -> Iterator[Match]:
        """Yield the addresses; adjacent parts of one address are one match."""
        yield from record_matches(text, "ADDRESS")
        # One search of the whole text costs much less than one of each paragraph.
        if not _PRESENT.matching(_shown(text)):
            return
        for offset, paragraph in paragraphs(text):
            count_candidate()
            if len(paragraph) < _MIN_CHARS or not digits_in(paragraph):
                continue
            for match in _in_paragraph(paragraph):
                yield Match(
                    type="ADDRESS",
                    start=offset + match[0],
                    end=offset + match[1],
                    confidence=match[2],
                )


def _in_paragraph(text: str) -> Iterator[tuple[int, int, float]]:
    shown = _shown(text)
    for index in _PRESENT.matching(shown):
        pattern, confidence = _PATTERNS[index]
        for span in pattern.find(shown):
            start, end = span.groups[0] if span.groups else (span.start, span.end)
            if not _DATED.is_in(shown[start:end]):
                yield start, _end(shown, end), confidence


def _shown(text: str) -> bytes:
    # Patterns see letters beyond Latin-1 as question marks, so real question marks are replaced.
    return as_data(text.replace("?", ";"))


def _end(shown: bytes, end: int) -> int:
    """Return the end of the city and postal code behind a street."""
    return end + next(_TAIL.find(shown[end : end + _REACH])).end
