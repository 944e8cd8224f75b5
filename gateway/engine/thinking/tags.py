"""The tags around reasoning in the tokens of one vocabulary.

A tag is a sequence of symbols: a special token is one symbol, any other text is a symbol for each byte, since
a model may split it over tokens in any way. So a special token is never taken for text that looks like it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.engine.thinking.thinking_form import ThinkingForm

Symbols = tuple[int, ...]
"""Bytes from 0 to 255, and special tokens as -1 - token."""
BLANKS = frozenset(b" \t\r\n")
"""White space."""
NEW_LINES = frozenset(b"\r\n")
CLOSING_WORDS = "\n\nThat is enough thinking; now I answer."
"""Ends reasoning at its budget, as a model would end it."""


class TagVocabulary(Protocol):
    """What is needed of a vocabulary; safe to call from any thread."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Return the tokens of a text; with `parse_special`, texts of control tokens become control
        tokens."""
        ...

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; a control token has none."""
        ...

    def special_tokens(self) -> Mapping[str, int]:
        """Return the tokens that no other text is tokenized to, by their texts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Tokens that end reasoning."""

    after: tuple[int, ...]
    """Follow the end tag, up to the answer."""
    end: tuple[int, ...]
    """The end tag, and what follows it."""
    closing: tuple[int, ...]
    """Likewise, with words before, for reasoning that has begun."""


class ThinkingTags:
    """The form of a model in the symbols and tokens of its vocabulary; read by any thread."""

    def __init__(self, form: ThinkingForm, vocabulary: TagVocabulary) -> None:
        self.form = form
        self._vocabulary = vocabulary
        special = vocabulary.special_tokens()
        self.start = _symbols_of(form.start, special)
        self.end = _symbols_of(form.end, special)
        self.header = _symbols_of(form.header, special)
        self.answer = _symbols_of(form.answer, special)
        tags = (*self.start, *self.end, *self.header, *self.answer)
        self._special = frozenset(-1 - symbol for symbol in tags if symbol < 0)
        self.open_tokens = self.tokens(self.start)
        """Begins reasoning."""
        self.to_text = self._ending(form.after_end + form.header + form.answer)
        """Ends reasoning before a text."""
        self.to_calls = self._ending(form.after_end + form.header)
        """Ends reasoning before what may be calls of tools, which begin in a way of their own."""

    def _ending(self, after: str) -> "Ending":
        end = self.form.before_end + self.form.end + after
        return Ending(
            after=self._tokenize(after),
            end=self._tokenize(end),
            closing=self._tokenize(CLOSING_WORDS + end),
        )

    def symbols(self, token: int, piece: bytes) -> Symbols:
        """Return the symbols of a token."""
        return (-1 - token,) if token in self._special else tuple(piece)

    def tokens(self, symbols: Sequence[int]) -> tuple[int, ...]:
        """Return tokens with these symbols."""
        return tuple(token for part in _parts(symbols) for token in self._tokens_of(part))

    def end_of(self, prompt: Sequence[int]) -> tuple[int, ...]:
        """Return what ends reasoning that a prompt has begun; nothing if it has begun none."""
        return self.to_text.end if self.ends_with(prompt, self.start) else ()

    def before_answer(self, prompt: Sequence[int]) -> tuple[int, ...]:
        """Return what is between a prompt and the text of an answer without reasoning."""
        if self.ends_with(prompt, self.start):
            return self.to_text.end
        is_marked = bool(self.answer) and self.answer[0] < 0 and not self.ends_with(prompt, self.answer)
        return self.tokens(self.answer) if is_marked else ()

    def ends_with(self, prompt: Sequence[int], tag: Symbols) -> bool:
        """Whether a prompt ends with a tag and white space at most."""
        found: list[int] = []
        for token in reversed(prompt):
            found[:0] = self.symbols(token, self._vocabulary.piece(token))
            while found and found[-1] in BLANKS:
                found.pop()
            if len(found) >= len(tag):
                break
        return bool(tag) and tuple(found[-len(tag) :]) == tag

    def _tokens_of(self, part: Symbols) -> Sequence[int]:
        if part[0] < 0:
            return [-1 - part[0]]
        return self._vocabulary.tokenize(bytes(part).decode(errors="replace"), parse_special=False)

    def _tokenize(self, text: str) -> tuple[int, ...]:
        return tuple(self._vocabulary.tokenize(text, parse_special=True)) if text else ()

    def text_of(self, symbols: Sequence[int]) -> bytes:
        """Return the visible bytes of symbols."""
        return b"".join(
            bytes((symbol,)) if symbol >= 0 else self._vocabulary.piece(-1 - symbol) for symbol in symbols
        )


def without_blanks(symbols: Sequence[int]) -> Symbols:
    """Return symbols without white space at the beginning."""
    count = next((at for at, symbol in enumerate(symbols) if symbol not in BLANKS), len(symbols))
    return tuple(symbols[count:])


def without_last_blanks(symbols: list[int]) -> list[int]:
    """Return symbols without white space at the end."""
    count = len(symbols)
    while count and symbols[count - 1] in BLANKS:
        count -= 1
    return symbols[:count]


def find_tag(symbols: list[int], tag: Symbols) -> int | None:
    """Return where a tag begins in symbols; None if it is not there."""
    starts = range(len(symbols) - len(tag) + 1)
    return next((at for at in starts if tuple(symbols[at : at + len(tag)]) == tag), None)


def begun_length(symbols: list[int], tag: Symbols) -> int:
    """Return how many of the last symbols are the beginning of a tag."""
    lengths = range(min(len(tag) - 1, len(symbols)), 0, -1)
    return next((length for length in lengths if tuple(symbols[-length:]) == tag[:length]), 0)


def _symbols_of(text: str, special: Mapping[str, int]) -> Symbols:
    found: list[int] = []
    at = 0
    while at < len(text):
        end = next((end for end in range(len(text), at, -1) if text[at:end] in special), None)
        found += text[at].encode() if end is None else [-1 - special[text[at:end]]]
        at = at + 1 if end is None else end
    return tuple(found)


def _parts(symbols: Sequence[int]) -> Iterator[Symbols]:
    """Yield special tokens, and runs of bytes."""
    run: list[int] = []
    for symbol in symbols:
        if symbol >= 0:
            run.append(symbol)
            continue
        if run:
            yield tuple(run)
        run = []
        yield (symbol,)
    if run:
        yield tuple(run)
