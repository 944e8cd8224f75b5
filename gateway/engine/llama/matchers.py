"""What compiles constraints for the vocabulary of a loaded model."""

import warnings
from collections.abc import Callable
from typing import Any

from llama_cpp import llama_cpp as lib
from llguidance.llamacpp import lltokenizer_from_vocab

from gateway.engine.grammar.matcher import MatcherFactory


def matchers_of(vocab: Any, *, is_end: Callable[[int], bool]) -> MatcherFactory | None:
    """Return what compiles constraints for a vocabulary; None for one that llguidance cannot read.

    It takes a third of a second for 50,000 tokens.
    """
    without_text = lib.LLAMA_TOKEN_ATTR_UNKNOWN | lib.LLAMA_TOKEN_ATTR_UNUSED
    everything = range(lib.llama_vocab_n_tokens(vocab))
    ends = [token for token in everything if is_end(token)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # It calls llama.cpp by an old name.
        try:
            tokenizer = lltokenizer_from_vocab(vocab, eos_token=ends)
        except ValueError:
            return None
    unknown = [token for token in everything if lib.llama_vocab_get_attr(vocab, token) & without_text]
    return MatcherFactory(tokenizer, ends=ends, unknown=unknown)
