"""Constraints compiled by llguidance for one vocabulary; a hostile grammar is bounded, never fatal.

llguidance's own messages quote generated text and the schema, so that none of them is shown or logged.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from numpy.typing import NDArray

from gateway.engine.interfaces import Constraint, GrammarRefused, NothingToSample

MAX_COMPILED = 64
"""Compiled grammars that are kept, since a client sends the same schema or tools again and again."""
LIMITS = LLParserLimits(verbose_errors=False, max_items_in_row=8000)
"""llguidance's defaults, which bound a mask to some 15 ms and compiling to half a second, except that an
object may have 2,000 optional members, which are four items each."""
_SILENT = 0
"""Log level: it would print generated text on standard error."""
_REASONS = (
    ("Unsatisfiable schema", "no value is valid under this schema"),
    ("required item is unsatisfiable", "no value is valid under this schema"),
    ("circular reference", "$ref leads back to itself"),
    ("schema too large", "is too large, or has too many alternatives"),
    ("NoExtensionBias", "no value is valid under this schema"),
    ("regex", "has a pattern that is not supported here"),
)
"""What llguidance's message contains, and what is said instead: it quotes the grammar."""
_ELSE = "does not compile, or is too complex"


class GrammarMatcher:
    """Follows one answer through a compiled grammar; fits `interfaces.Matcher`."""

    def __init__(
        self, matcher: LLMatcher, *, size: int, ends: frozenset[int], unknown: NDArray[np.int32]
    ) -> None:
        """`ends` end an answer; `unknown` have a name, but no text that a grammar could match."""
        self._matcher = matcher
        self._size = size
        self._ends = ends
        self._unknown = unknown
        self._hidden = frozenset(unknown.tolist())

    @property
    def is_stopped(self) -> bool:
        """Whether the answer is complete: only a token that ends it may follow."""
        return self._matcher.is_stopped() and not self._matcher.is_error()

    def allows(self, token: int) -> bool:
        """Whether a token may come next."""
        if token in self._ends:
            return self._matcher.is_accepting()
        return token not in self._hidden and self._matcher.validate_tokens([token]) == 1

    def mask(self) -> NDArray[np.bool_]:
        """Return which tokens of the vocabulary may come next; raises NothingToSample if none may."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        mask = np.unpackbits(bits, bitorder="little")[: self._size].view(np.bool_)
        mask[self._unknown] = False
        if not mask.any():
            raise NothingToSample
        return mask

    def accept(self, token: int) -> None:
        """Append a token; raises NothingToSample if it is not allowed."""
        if token in self._ends and not self._matcher.is_accepting():
            raise NothingToSample
        self._matcher.consume_token(token)
        self._check()

    def forced(self) -> list[int]:
        """Return the tokens that must come next; empty if there is a choice."""
        tokens = self._matcher.compute_ff_tokens()
        self._check()
        if not tokens and self.is_stopped:
            return [min(self._ends)]
        return tokens if self._hidden.isdisjoint(tokens) else []

    def _check(self) -> None:
        if self._matcher.is_error():
            raise NothingToSample


class MatcherFactory:
    """Compiles constraints for one vocabulary; for any thread."""

    def __init__(self, tokenizer: LLTokenizer, *, ends: Sequence[int], unknown: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ends = frozenset(ends)
        self._unknown = np.array(unknown, dtype=np.int32)
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = threading.Lock()

    def matcher(self, constraint: Constraint) -> GrammarMatcher:
        """Return a matcher at the beginning of an answer; raises GrammarRefused."""
        with self._lock:
            compiled = self._compiled.get(constraint.grammar)
        if compiled is None:
            compiled = LLMatcher(self._tokenizer, constraint.grammar, log_level=_SILENT, limits=LIMITS)
            if not compiled.is_error():
                compiled.compute_bitmask()  # Finds a grammar that allows nothing.
            if compiled.is_error():
                said = compiled.get_error()
                raise GrammarRefused(next((reason for part, reason in _REASONS if part in said), _ELSE))
        with self._lock:
            self._compiled[constraint.grammar] = compiled
            self._compiled.move_to_end(constraint.grammar)
            if len(self._compiled) > MAX_COMPILED:
                self._compiled.popitem(last=False)
            copy = compiled.deep_copy()
        return GrammarMatcher(copy, size=self._tokenizer.vocab_size, ends=self._ends, unknown=self._unknown)
