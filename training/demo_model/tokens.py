"""A byte-level BPE vocabulary whose words are cut alike in lower case, Title and UPPER, with a space or
without.

llama.cpp reads it as the tokenizer `gpt2`. Merges are learned on lower-case letters alone; each is then
mirrored
to the other cases, and a space joins a finished first piece last. So " WHAT", "What" and "what" are one piece
each, and the trainer can let them share one embedding.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

BOS, EOS, END = "<|begin|>", "<|eos|>", "<|end|>"
ROLES = {role: f"<|{role}|>" for role in ("system", "user", "assistant", "tool")}
CONTROLS = (BOS, EOS, END, *ROLES.values())
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

SPACE = "\u0120"
"""How byte-level BPE writes a space."""
_WORD = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+"
)  # GPT-2's, as far as Python's `re` can say it.
_LETTERS = re.compile(r"[a-z]+")

Merge = tuple[str, str]


def byte_symbols() -> dict[int, str]:
    """Return how byte-level BPE writes each byte as a visible character."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


_SYMBOLS = byte_symbols()


@dataclass(frozen=True, slots=True)
class Form:
    """What a token shares with others: its letters in lower case, its case, and whether a space is before
    it."""

    base: str
    case: int
    """0 lower or none, 1 Title, 2 UPPER."""
    has_space: bool


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by id, and the merges by rank."""

    tokens: tuple[str, ...]
    merges: tuple[Merge, ...]
    _ids: dict[str, int] = field(default_factory=dict)
    _ranks: dict[Merge, int] = field(default_factory=dict)
    _cut: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index what is looked up."""
        self._ids.update((token, i) for i, token in enumerate(self.tokens))
        self._ranks.update((merge, i) for i, merge in enumerate(self.merges))

    def id_of(self, token: str) -> int:
        """Return the id of a control token or of a written piece."""
        return self._ids[token]

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text without control tokens."""
        return [token for word in _WORD.findall(text) for token in self._word(word)]

    def _word(self, word: str) -> tuple[int, ...]:
        if word not in self._cut:
            symbols = [_SYMBOLS[byte] for byte in word.encode()]
            self._cut[word] = tuple(self._ids[piece] for piece in merged(symbols, self._ranks))
        return self._cut[word]

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens, control tokens left out."""
        bytes_of = {symbol: byte for byte, symbol in _SYMBOLS.items()}
        kept = "".join(self.tokens[token] for token in tokens if self.tokens[token] not in CONTROLS)
        return bytes(bytes_of[symbol] for symbol in kept).decode(errors="replace")

    def forms(self) -> list[Form]:
        """Return for each token what it shares with others."""
        return [_form(token) for token in self.tokens]


def _form(token: str) -> Form:
    letters = token.removeprefix(SPACE)
    if token in CONTROLS or not (letters.isascii() and letters.isalpha()):
        return Form(token, 0, False)
    case = 0 if letters.islower() else 2 if len(letters) > 1 and letters.isupper() else 1
    return Form(letters.lower(), case, letters != token)


def merged(symbols: Sequence[str], ranks: dict[Merge, int]) -> list[str]:
    """Return the pieces of one word: the pair of least rank is merged until none is left."""
    pieces = list(symbols)
    while len(pieces) > 1:
        rank, at = min((ranks.get((pieces[i], pieces[i + 1]), len(ranks)), i) for i in range(len(pieces) - 1))
        if rank == len(ranks):
            break
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    return pieces


def learn_vocabulary(texts: Iterable[str], *, merges: int) -> Vocabulary:
    """Learn a vocabulary of so many lower-case merges from texts."""
    counts = Counter(word for text in texts for word in _LETTERS.findall(text.lower()))
    learned = _learn(counts, merges)
    ranks = {merge: i for i, merge in enumerate(learned)}
    firsts = {merged(list(word), ranks)[0] for word in counts} | set("abcdefghijklmnopqrstuvwxyz")
    mirrored = [
        variant
        for left, right in learned
        for variant in ((left, right), (left.title(), right), (left.upper(), right.upper()))
    ]
    spaced = [
        (SPACE, variant) for first in sorted(firsts) for variant in (first, first.title(), first.upper())
    ]
    all_merges = tuple(dict.fromkeys([*mirrored, *spaced]))
    pieces = [left + right for left, right in all_merges]
    return Vocabulary(tuple(dict.fromkeys([*CONTROLS, *_SYMBOLS.values(), *pieces])), all_merges)


def _learn(counts: Counter[str], merges: int) -> list[Merge]:
    """Return the merges of plain byte-pair encoding, words weighing the root of how often they come."""
    words = {word: (list(word), count**0.5) for word, count in sorted(counts.items()) if count > 3}
    learned: list[Merge] = []
    while len(learned) < merges:
        pairs: dict[Merge, float] = {}
        for pieces, weight in words.values():
            for pair in itertools.pairwise(pieces):
                pairs[pair] = pairs.get(pair, 0.0) + weight
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        learned.append(best)
        for pieces, _ in words.values():
            _merge(pieces, best)
    return learned


def _merge(pieces: list[str], pair: Merge) -> None:
    i = 0
    while i < len(pieces) - 1:
        if (pieces[i], pieces[i + 1]) == pair:
            pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
        i += 1
