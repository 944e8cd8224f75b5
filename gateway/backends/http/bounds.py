"""How large a provider's answer may be, by what was asked of it; pure."""

from dataclasses import dataclass

from gateway.domain.request import Request
from gateway.ledger.money import prompt_tokens_bound

TOKEN_CHARS = 256
"""No known vocabulary has a longer token; the longest are runs of 128 spaces."""
TOKEN_LETTERS = 32
"""A text of words has more tokens than one for so many of its letters and digits: mostly six times more."""
LONGEST_WORD_LETTERS = 32
"""A text may be one long name, which may be one token."""
TOKEN_WIRE_BYTES = 4096
"""More than a streamed chunk takes of a provider that adds filter results, ids and padding to each."""
TOKEN_JSON_BYTES = 6 * TOKEN_CHARS
"""A character that JSON escapes takes six bytes."""
SPARE_BYTES = 4 * 1024 * 1024
"""For what is no token: the frame of an answer, comments and blank lines that keep a connection open."""
SPARE_TEXT_BYTES = 1024 * 1024
SPARE_EVENTS = 10_000

_NO_LETTERS = (
    bytes(byte for byte in range(0x80) if not chr(byte).isalnum()) + bytes(range(0x80, 0xC0)) + b"\xe2"
)
"""Bytes of UTF-8 that begin no letter or digit; 0xE2 begins dashes and lines, which come in long runs."""
_NO_SYLLABLES = bytes(byte for byte in range(0x100) if not 0xE3 <= byte <= 0xED)
"""Bytes that begin no letter of the scripts of China, Japan and Korea, of which few make a token."""
_SYLLABLE_LETTERS = 8
"""What such a letter counts as."""


class UnreadableAnswer(ValueError):
    """The answer is not one of its API; the message names the field, never its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBounds:
    """What an honest answer to one call stays below."""

    prompt_tokens: int
    """The bound that was reserved."""
    fewest_prompt_tokens: int
    """No prompt like it has fewer."""
    max_tokens: int
    """The bound that was reserved and sent."""

    @classmethod
    def of(cls, request: Request, *, max_tokens: int) -> "AnswerBounds":
        """Return the bounds of the answer to what was sent."""
        return cls(
            prompt_tokens=prompt_tokens_bound(request),
            fewest_prompt_tokens=fewest_tokens(
                sum(len(message.text) for message in request.messages),
                sum(letters(message.text) for message in request.messages),
            ),
            max_tokens=max_tokens,
        )

    @property
    def text_chars(self) -> int:
        """Of all pieces together."""
        return self.max_tokens * TOKEN_CHARS + SPARE_TEXT_BYTES

    @property
    def body_bytes(self) -> int:
        """Of a streamed answer, whole."""
        return self.max_tokens * TOKEN_WIRE_BYTES + SPARE_BYTES

    @property
    def json_bytes(self) -> int:
        """Of one JSON text: an event of a stream, or an answer in one piece."""
        return self.max_tokens * TOKEN_JSON_BYTES + SPARE_TEXT_BYTES

    @property
    def events(self) -> int:
        """Of one stream; some providers send events that keep a connection open."""
        return 4 * self.max_tokens + SPARE_EVENTS

    @property
    def lines(self) -> int:
        """Of one stream, the empty ones too: each costs time."""
        return 4 * self.events


def letters(text: str) -> int:
    """Return about how many letters and digits a text has, by the measure of Latin script."""
    encoded = text.encode(errors="replace")
    of_latin = len(encoded.translate(None, _NO_LETTERS))
    if text.isascii():
        return of_latin
    return of_latin + (_SYLLABLE_LETTERS - 1) * len(encoded.translate(None, _NO_SYLLABLES))


def fewest_tokens(chars: int, letters_of_it: int) -> int:
    """Return a number of tokens that no text of so many characters goes below."""
    return max(-(-chars // TOKEN_CHARS), -(-(letters_of_it - LONGEST_WORD_LETTERS) // TOKEN_LETTERS))


def check_bound(size: int, bound: int, what: str) -> None:
    """Raise UnreadableAnswer if an answer is over a bound."""
    if size > bound:
        raise UnreadableAnswer(f"{what} is over its bound")
