"""Guesses the next tokens of an answer from what was said: summaries, edits and JSON repeat much of it.

A guess is decoded behind the sampled token, in the same step. Each of its tokens is then sampled as ever,
from the logits of its row, and the first that differs ends the guess: a wrong one costs time, never a token.
The idea is that of prompt lookup decoding (A. Saxena, 2023) and of llama.cpp's `lookup` example."""

from collections.abc import Sequence

GRAM = 3
"""Tokens that must agree with an earlier place before what followed there is guessed."""
FIRST_TOKENS = 4
"""Tokens of the first guess; a guess that is right doubles the next one."""
MOST_TOKENS = 16
"""Most tokens of a guess."""
WORTH = 0.5
"""The least share of a guess that must be right for the next one to come immediately."""
MOST_PAUSE = 64
"""Most tokens for which wrong guesses stop the guessing; it doubles with each wrong one."""
SAMPLE_TOKENS = 48
"""Tokens of steps with guesses, and of steps without, by which it is measured what guessing gains."""
GAINS = 16
"""How often guessing may gain before steps without guesses are measured again."""
FIRST_BREAK_TOKENS = 512
MOST_BREAK_TOKENS = 16_384
"""For how many tokens of all answers nothing is guessed where it gained nothing; doubles each time."""


class PromptLookup:
    """The guesses of one answer; made with its prompt, used by the thread that owns the model."""

    def __init__(self, prompt: Sequence[int]) -> None:
        self._tokens = list(prompt)
        self._after: dict[tuple[int, ...], int] = {}
        """By each run of `GRAM` tokens, where the token after its latest place is."""
        for end in range(GRAM, len(self._tokens)):
            self._after[tuple(self._tokens[end - GRAM : end])] = end
        self._length = FIRST_TOKENS
        self._misses = 0
        self._wait = 0

    def take(self, token: int) -> None:
        """Take the next token of the answer."""
        if len(self._tokens) >= GRAM:
            self._after[tuple(self._tokens[-GRAM:])] = len(self._tokens)
        self._tokens.append(token)
        self._wait = max(0, self._wait - 1)

    def guess(self, most: int) -> list[int]:
        """Return up to `most` tokens that may come next."""
        start = self._after.get(tuple(self._tokens[-GRAM:]))
        if self._wait or start is None:
            return []
        # A text that repeats itself goes on as it did.
        period = len(self._tokens) - start
        return [self._tokens[start + i % period] for i in range(min(most, self._length))]

    def judge(self, *, guessed: int, right: int) -> None:
        """Take how much of a guess was right."""
        if right >= WORTH * guessed:
            self._misses = 0
            self._length = min(2 * self._length, MOST_TOKENS) if right == guessed else max(1, right)
        else:
            self._misses += 1
            self._length = FIRST_TOKENS
            self._wait = min(2**self._misses, MOST_PAUSE)


class Payoff:
    """Whether guessing makes a model faster on this machine, by the seconds a token with and without it.

    A step of more rows costs more: next to nothing for a large model, whose weights are read once a step, and
    nearly as much as so many steps for a small one, whose arithmetic takes the time.
    """

    def __init__(self) -> None:
        self._answers = 0
        self._sums = {True: (0, 0.0), False: (0, 0.0)}
        """By whether steps had guesses: tokens and seconds."""
        self._break_tokens = FIRST_BREAK_TOKENS
        self._left = 0
        self._gains = 0

    @property
    def is_worth_it(self) -> bool:
        """Whether to guess in the next step."""
        must_compare = self._sums[True][0] >= SAMPLE_TOKENS > self._sums[False][0]
        return self._left <= 0 and not must_compare

    def record(self, *, answers: int, tokens: int, taken_s: float, is_guessed: bool) -> None:
        """Take a step of `answers` answers, which gave `tokens` tokens."""
        self._left -= tokens
        if answers != self._answers:
            self._answers = answers
            self._sums = {True: (0, 0.0), False: (0, 0.0)}
        before, before_s = self._sums[is_guessed]
        self._sums[is_guessed] = (before + tokens, before_s + taken_s)
        (guessed, guessed_s), (plain, plain_s) = self._sums[True], self._sums[False]
        if min(guessed, plain) < SAMPLE_TOKENS:
            return
        if guessed_s / guessed < plain_s / plain:
            self._break_tokens = FIRST_BREAK_TOKENS
            self._gains += 1
        else:
            self._left = self._break_tokens
            self._break_tokens = min(2 * self._break_tokens, MOST_BREAK_TOKENS)
            self._gains = 0
        kept = self._sums[False] if self._gains % GAINS else (0, 0.0)
        self._sums = {True: (0, 0.0), False: kept}
