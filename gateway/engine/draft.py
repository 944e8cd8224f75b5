"""Guesses the next tokens of answers with a smaller model of the same vocabulary, all answers together.

Its cells hold what was said and what it guessed; of a wrong guess they are freed when the next one begins.
They serve one request only, so that nobody learns from a draft's speed what another tenant said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp

from gateway.engine.interfaces import BatchToken, KvCacheFull, Model, Sampling

MOST_DRAFTED = 8
"""Most tokens of a guess: each costs a step of the draft model."""
LEAST_SHARE = 0.6
"""The least probability that the draft model gives to a token that it guesses; another one ends the guess."""
_GREEDY = Sampling(temperature=0.0, top_p=1.0, seed=None, logprobs=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """What guesses the next tokens of answers; both: the draft does where nothing was said before."""

    looks_up: bool = False
    """Whether they are guessed from what was said: see `prompt_lookup`."""
    draft: "Draft | None" = None


NO_SPECULATION = Speculation()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """An answer whose next tokens are to be guessed."""

    ticket: int
    sequence: int
    """The target model's number for it."""
    tokens: Sequence[int] = field(repr=False)
    """The prompt and the answer so far."""
    most: int


@dataclass(slots=True)
class _Held:
    """What the draft model holds of an answer."""

    ticket: int
    tokens: list[int] = field(default_factory=list, repr=False)
    sure: int = 0
    """How many of them were in the prompt and the answer when they were last compared."""


class Draft:
    """The draft model of a target model; used by the thread that owns both."""

    def __init__(self, model: Model, *, vocabulary_size: int) -> None:
        """`vocabulary_size` is the target's: of two models of a family one may have unused tokens more."""
        self._model = model
        self._vocabulary_size = vocabulary_size
        self._sampler = model.sampler(_GREEDY)
        self._held: dict[int, _Held] = {}
        """By sequence."""

    def guess(self, asked: Sequence[Asked]) -> dict[int, list[int]]:
        """Return by ticket what may come next; a long prompt is read in parts, and guessed for later."""
        guesses: dict[int, list[int]] = {}
        try:
            ready = self._read(asked)
            while ready:
                ready = self._extend(ready, guesses)
        except KvCacheFull:
            for sequence in [*self._held]:
                self.forget(sequence)
            return {}
        return guesses

    def forget(self, sequence: int) -> None:
        """Free the cells of an answer that ended."""
        if self._held.pop(sequence, None) is not None:
            self._model.truncate(sequence, 0)

    def close(self) -> None:
        """Free the sampler."""
        self._sampler.close()

    def _read(self, asked: Sequence[Asked]) -> list[tuple[Asked, int]]:
        """Decode what the model has not read, as far as a step goes; return the rows of those that it has."""
        rows: list[BatchToken] = []
        ready = []
        for each in asked:
            held = self._known(each)
            new = each.tokens[len(held.tokens) :][: self._model.batch_tokens - len(rows)]
            begin = len(held.tokens)
            is_whole = begin + len(new) == len(each.tokens)
            rows += [
                BatchToken(token, begin + i, each.sequence, is_whole and i == len(new) - 1)
                for i, token in enumerate(new)
            ]
            held.tokens += new
            if new and is_whole:
                ready.append((each, len(rows) - 1))
        if rows:
            self._model.decode(rows)
        return ready

    def _known(self, asked: Asked) -> _Held:
        """Return what is held of an answer, without what turned out to be wrong."""
        held = self._held.get(asked.sequence)
        if held is None or held.ticket != asked.ticket:
            self.forget(asked.sequence)
            held = self._held[asked.sequence] = _Held(asked.ticket)
        same, most = held.sure, min(len(held.tokens), len(asked.tokens) - 1)
        while same < most and held.tokens[same] == asked.tokens[same]:
            same += 1
        if len(held.tokens) > min(same, most):
            del held.tokens[min(same, most) :]
            self._model.truncate(asked.sequence, len(held.tokens))
        held.sure = len(held.tokens)
        return held

    def _extend(
        self, ready: Sequence[tuple[Asked, int]], guesses: dict[int, list[int]]
    ) -> list[tuple[Asked, int]]:
        """Guess one token more for each answer with its row; return those that go on."""
        rows: list[BatchToken] = []
        left = []
        for asked, row in ready:
            token = self._likely(row)
            if token is None:
                continue
            guess = guesses.setdefault(asked.ticket, [])
            guess.append(token)
            held = self._held[asked.sequence].tokens
            if len(guess) < min(asked.most, MOST_DRAFTED) and len(held) + 1 < self._model.context_tokens:
                rows.append(BatchToken(token, len(held), asked.sequence, True))
                held.append(token)
                left.append((asked, len(rows) - 1))
        if rows:
            self._model.decode(rows)
        return left

    def _likely(self, row: int) -> int | None:
        token = self._sampler.sample(row)
        logprob = self._sampler.logprob(row, token)
        if logprob is None or exp(logprob.logprob) < LEAST_SHARE:
            return None
        return None if self._model.is_end(token) or token >= self._vocabulary_size else token
