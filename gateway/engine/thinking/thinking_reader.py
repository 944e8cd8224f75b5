"""Splits what a model thinks from what it answers, by its tokens, and bounds it."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

from gateway.engine.thinking.tags import (
    NEW_LINES,
    Ending,
    Symbols,
    ThinkingTags,
    begun_length,
    find_tag,
    without_blanks,
    without_last_blanks,
)

MOST_THINKING = 0.75
"""Of max_tokens, what a budget may allow, so that some are left for the answer."""

BETWEEN = b"\n\n"
"""Between two blocks of reasoning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """How a request has its model think."""

    tags: ThinkingTags
    budget_tokens: int | None = None
    """The most tokens of it; None: no bound but max_tokens."""
    is_constrained: bool = False
    """Whether the answer has to follow a schema or a grammar, which the reasoning need not."""

    calls: Literal["none", "auto", "required"] = "none"
    """Whether the answer may be calls of tools, or has to."""

    @property
    def ending(self) -> Ending:
        """What ends the reasoning."""
        return self.tags.to_text if self.calls == "none" else self.tags.to_calls

    def budget_within(self, max_tokens: int) -> int | None:
        """Return the budget that leaves room for the closing words and an answer."""
        if self.budget_tokens is None:
            return None
        most = int(max_tokens * MOST_THINKING) - len(self.ending.closing)
        return max(0, min(self.budget_tokens, most))


class _State(Enum):
    START = auto()
    """Nothing is known yet: reasoning may begin, or the answer."""
    THINKING = auto()
    AFTER = auto()
    """After the end tag, before what begins the answer, or one more message."""
    MESSAGE = auto()
    """After the header of one more message."""
    ANSWER = auto()


@dataclass(slots=True)
class ThinkingPiece:
    """What a token adds."""

    reasoning: bytearray = field(default_factory=bytearray, repr=False)
    answer: list[tuple[int, bytes]] = field(default_factory=list, repr=False)
    """Tokens of the answer with their bytes; of a token that a tag ends in, the rest."""


class ThinkingReader:
    """Reads the tokens of one answer, in order; used by the thread that owns the model."""

    def __init__(self, thinking: Thinking, *, prompt: tuple[int, ...], max_tokens: int) -> None:
        """`prompt` may have begun the reasoning, or ended it."""
        self._tags = thinking.tags
        self._budget = thinking.budget_within(max_tokens)
        self._is_constrained = thinking.is_constrained
        self._calls = thinking.calls
        self._ending = thinking.ending
        self._state = self._state_after(prompt)
        self._held: list[tuple[int, Symbols]] = []
        """Tokens that may become a tag before the answer."""
        self._thought: list[int] = []
        """Symbols of reasoning that may become the end tag."""
        self._spent = 0
        """Tokens of reasoning, of which the budget is the most."""
        self._is_closing = False
        self._must_begin = False
        """Whether what begins the answer is to be forced."""
        self._forced_left = 0
        """How many of the forced tokens are still to come."""
        self._skips_blanks = True
        self._has_thought = False
        self._skips_lines = self._state is not _State.START
        self.reasoning_tokens = 0
        """Tokens of reasoning, its tags included."""
        self.took_tag = False
        """Whether the last token was part of a tag, so that it does not end the answer."""

    def _state_after(self, prompt: tuple[int, ...]) -> _State:
        for tag, state in self._expected(_State.START):
            if self._tags.ends_with(prompt, tag):
                return state
        return _State.START

    @property
    def is_answering(self) -> bool:
        """Whether all tokens from here on are the answer's."""
        return self._state is _State.ANSWER and not (self._must_begin or self._forced_left)

    @property
    def answer_end(self) -> str:
        """What ends the answer, beside the token that ends the turn; mostly empty."""
        return self._tags.form.answer_end

    @property
    def is_over(self) -> bool:
        """Whether all further tokens pass as they are."""
        return self.is_answering and not self._skips_lines

    @property
    def is_undecided(self) -> bool:
        """Whether tokens are held back that may yet be the answer's."""
        return self._state is _State.START and bool(self._held)

    def push(self, token: int, piece: bytes) -> ThinkingPiece:
        """Take the next token and its bytes; return what it adds."""
        found = ThinkingPiece()
        self.took_tag = False
        self._forced_left = max(0, self._forced_left - 1)
        if self._state is _State.THINKING:
            self.reasoning_tokens += 1
            self._spent += 1
        self._take(token, self._tags.symbols(token, piece), found)
        return found

    def finish(self) -> ThinkingPiece:
        """Return what was held back, after the last token."""
        found = ThinkingPiece()
        if self._state is _State.THINKING:
            self._think(without_last_blanks(self._thought), found)
        elif self._state is _State.START:
            self._answer(found)
        return found

    def forced(self) -> tuple[int, ...]:
        """Return the tokens that must come next, to end the reasoning at its budget or begin the answer."""
        return self._force(self._next_forced())

    def _force(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        self._forced_left = len(tokens)
        return tokens

    def _next_forced(self) -> tuple[int, ...]:
        if self._state is _State.THINKING and not self._is_closing:
            if self._budget is None or self._spent < self._budget:
                return ()
            # The tag has begun: it ends by itself within its tokens, or is bounded by them.
            if begun_length(self._thought, self._tags.end) and self._spent < self._budget + len(
                self._ending.end
            ):
                return ()
            self._is_closing = True
            # Without room for closing words the end tag alone leaves some for the answer.
            return self._ending.closing if self._budget else self._ending.end
        must_begin, self._must_begin = self._must_begin, False
        return self._ending.after if must_begin else ()

    def steer(self, token: int, piece: bytes, *, is_end: bool) -> tuple[int, ...] | None:
        """Return the tokens to take in place of a sampled one; None: that one.

        A constraint holds from the first token of the answer on, so that no token may be part of the tag and
        the answer both. If nothing is returned in its place, the token is sampled again by the constraint.
        """
        if not self._is_constrained or self._state is _State.ANSWER:
            return None
        instead = self._instead_of(self._tags.symbols(token, piece), is_end=is_end)
        return None if instead is None else self._force(instead)

    def _instead_of(self, symbols: Symbols, *, is_end: bool) -> tuple[int, ...] | None:
        if self._state is _State.THINKING:
            return self._steer_end(symbols, is_end=is_end)
        began = without_blanks([each for _, held in self._held for each in held])
        found = (*began, *symbols)
        tags = [tag for tag, _ in self._expected(self._state)]
        if symbols and any(tag[: len(found)] == found for tag in tags):
            return None
        if found[: len(self._tags.start)] == self._tags.start:
            return None
        if began:
            return self._tags.tokens(next(tag for tag in tags if tag[: len(began)] == began)[len(began) :])
        if self._tags.answer and self._calls == "none":
            return self._tags.tokens(self._tags.answer)
        self._state = _State.ANSWER
        return ()

    def _steer_end(self, symbols: Symbols, *, is_end: bool) -> tuple[int, ...] | None:
        thought, end = [*self._thought, *symbols], self._tags.end
        at = find_tag(thought, end)
        if at is not None:
            until = at + len(end)
            return None if until == len(thought) else self._tags.tokens(thought[len(self._thought) : until])
        if is_end and not self._held_length(thought):
            self._is_closing = True
            return self._ending.end
        return None

    def _expected(self, state: _State) -> list[tuple[Symbols, _State]]:
        """Return the tags that may come, each with what follows it."""
        tags = self._tags
        answer = () if self._calls == "required" else tags.answer
        after = _State.AFTER if tags.header or answer else _State.ANSWER
        expected = {
            _State.START: [(answer, _State.ANSWER), (tags.start, _State.THINKING), (tags.end, after)],
            _State.AFTER: [(answer, _State.ANSWER), (tags.header, _State.MESSAGE)],
            _State.MESSAGE: [(answer, _State.ANSWER), (tags.start, _State.THINKING)],
        }
        return [(tag, following) for tag, following in expected[state] if tag]

    def _take(self, token: int, symbols: Symbols, found: ThinkingPiece) -> None:
        if self._state is _State.THINKING:
            self._take_thought(token, symbols, found)
        elif self._state is _State.ANSWER:
            self._held.append((token, symbols))
            self._answer(found)
        else:
            self._take_tag(token, symbols, found)

    def _take_tag(self, token: int, symbols: Symbols, found: ThinkingPiece) -> None:
        """Take a token before the answer, which begins unless a tag may."""
        self._held.append((token, symbols))
        read = without_blanks([each for _, held in self._held for each in held])
        expected = self._expected(self._state)
        for tag, state in expected:
            if read[: len(tag)] == tag:
                if tag in (self._tags.start, self._tags.end):
                    self.reasoning_tokens += len(self._held)
                self._enter(state)
                if rest := read[len(tag) :]:
                    self._take(token, rest, found)
                return
        if any(tag[: len(read)] == read for tag, _ in expected):
            self.took_tag = bool(symbols and read)
            return
        self._answer(found)

    def _enter(self, state: _State) -> None:
        self._held.clear()
        self._state = state
        self.took_tag = True
        self._skips_blanks = self._skips_lines = True
        self._is_closing = False

    def _take_thought(self, token: int, symbols: Symbols, found: ThinkingPiece) -> None:
        self._thought += symbols
        end = self._tags.end
        at = find_tag(self._thought, end)
        if at is None:
            held = self._held_length(self._thought)
            self.took_tag = bool(symbols) and begun_length(self._thought, self._tags.end) > 0
            shown = self._thought[: len(self._thought) - held]
            self._thought = self._thought[len(shown) :]
            self._think(shown, found)
            return
        thought, rest = self._thought[:at], tuple(self._thought[at + len(end) :])
        self._thought = []
        self._think(without_last_blanks(thought), found)
        self._must_begin = self._is_constrained and not self._is_closing and bool(self._ending.after)
        self._enter(next(state for tag, state in self._expected(_State.START) if tag == end))
        if rest:
            self._take(token, rest, found)

    def _held_length(self, thought: list[int]) -> int:
        """Return how many of the last symbols may be the end tag, with white space before it."""
        length = begun_length(thought, self._tags.end)
        return len(thought) - len(without_last_blanks(thought[: len(thought) - length]))

    def _think(self, symbols: list[int], found: ThinkingPiece) -> None:
        shown = without_blanks(symbols) if self._skips_blanks else symbols
        if not shown:
            return
        if self._skips_blanks and self._has_thought:  # One more block.
            found.reasoning += BETWEEN
        self._skips_blanks, self._has_thought = False, True
        found.reasoning += self._tags.text_of(shown)

    def _answer(self, found: ThinkingPiece) -> None:
        """Pass the tokens that are held as the answer's, without the new lines after the end tag."""
        held, self._held = self._held, []
        self._state = _State.ANSWER
        for token, symbols in held:
            shown = symbols
            if self._skips_lines:
                first = (at for at, symbol in enumerate(symbols) if symbol not in NEW_LINES)
                shown = symbols[next(first, len(symbols)) :]
                self._skips_lines = not shown
            found.answer.append((token, self._tags.text_of(shown)))
        self.took_tag = False
