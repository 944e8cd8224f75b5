"""Samples the tokens of one request from llama.cpp's logits, in llama.cpp's own order of samplers.

The order is bias, penalties, top-k, top-p, min-p, temperature, random choice. A grammar first checks the
sampled token; only if it rejects it are all tokens filtered and sampled again. The distribution is the same,
and the filter, which reads the whole vocabulary, runs for few tokens. Plain greedy sampling, the most common
case, uses numpy, which takes a tenth of a sampler's time.

A seed gives the same random numbers at any batch size. The logits are equal only for steps of the same shape:
llama.cpp sums in another order for another number of rows, so the last bits differ, and of two tokens that
are that close the other one may be sampled."""

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as lib
from numpy.typing import NDArray

from gateway.engine.interfaces import GrammarRefused, NothingToSample, SampledLogprob, Sampling

_RANDOM_SEED = 0xFFFFFFFF
"""LLAMA_DEFAULT_SEED: llama.cpp chooses a random seed."""
_PENALTY_TOKENS = 64
"""How many of the latest tokens of the answer are penalized; llama.cpp's default."""
_LEAST_FLOAT = float(np.finfo(np.float32).min)
"""A bias below it is minus infinity in llama.cpp: such a token is sampled only when no other is left."""
_row_address = ctypes.PyDLL(lib._lib._name)["llama_get_logits_ith"]
"""llama_get_logits_ith as an address. PyDLL keeps the interpreter lock: releasing it for a microsecond would
cost a wait of up to a switch interval."""
_row_address.restype = ctypes.c_void_p
_row_address.argtypes = [ctypes.c_void_p, ctypes.c_int32]
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama_token_data."""


class LlamaSampler:
    """The samplers of one request; used by the thread that owns the context."""

    def __init__(self, context: int, vocab: int, sampling: Sampling, *, unseen: NDArray[np.int32]) -> None:
        """`unseen` are tokens without text that do not end an answer: a grammar would match their names."""
        self._context = context
        self._unseen = unseen
        self._size = int(lib.llama_vocab_n_tokens(vocab))
        self._sampling = sampling
        self._grammar = _grammar(vocab, sampling.grammar)
        self._is_plain_greedy = (
            sampling.temperature == 0.0
            and not sampling.has_penalties
            and not sampling.logit_bias
            and sampling.grammar is None
        )
        self._chain = _chain(self._size, sampling)
        self._reported = 0
        self._views: dict[int, NDArray[np.float32]] = {}
        """Logits by address: llama.cpp reuses the same few buffers."""

    def sample(self, row: int) -> int:
        """Sample a token from the logits of a row of the last batch."""
        if self._is_plain_greedy:
            return int(self._logits(row).argmax())
        if self._grammar is not None:
            token = self._sample_by_grammar(row)
        else:
            token = int(lib.llama_sampler_sample(self._chain, self._context, row))
        if self._sampling.logit_bias.get(token, 0.0) < _LEAST_FLOAT:
            raise NothingToSample
        return token

    def logprob(self, row: int, token: int) -> SampledLogprob | None:
        """Return the log-probability of a sampled token; None if the request does not ask for it."""
        count = self._sampling.logprobs
        if count is None or self._reported == self._sampling.logprob_tokens:
            return None
        self._reported += 1
        logits = self._logits(row)
        top = logits.max()
        shares = np.exp(logits - top)
        total_share = shares.sum()
        total = float(top + np.log(total_share))
        most = max(2, count)
        likeliest = np.argpartition(logits, -most)[-most:]
        likeliest = likeliest[np.lexsort((likeliest, -logits[likeliest]))]
        found = [(int(t), float(logits[t]) - total) for t in likeliest]
        return SampledLogprob(
            token=token,
            logprob=float(logits[token]) - total,
            margin=found[0][1] - found[1][1],
            likeliest=tuple(found[:count]),
            entropy=total - float(_weighted_sum(shares, logits) / total_share),
        )

    def close(self) -> None:
        """Free the samplers."""
        lib.llama_sampler_free(self._chain)
        if self._grammar is not None:
            lib.llama_sampler_free(self._grammar)

    def _logits(self, row: int) -> NDArray[np.float32]:
        """Return the logits of a row without a copy; valid until the next step."""
        address = _row_address(self._context, row)
        known = self._views.get(address)
        if known is None:
            array = (ctypes.c_float * self._size).from_address(address)
            known = self._views[address] = np.frombuffer(memoryview(array), dtype=np.float32)
        return known

    def _sample_by_grammar(self, row: int) -> int:
        token = self._pick(row, filtered=False)
        if not self._is_allowed(token):
            token = self._pick(row, filtered=True)
            if not self._is_allowed(token):
                # llama.cpp would end the process if it accepted such a token.
                raise NothingToSample
        lib.llama_sampler_accept(self._grammar, token)
        lib.llama_sampler_accept(self._chain, token)
        return token

    def _pick(self, row: int, *, filtered: bool) -> int:
        """Sample from all tokens, or from those that the grammar allows."""
        candidates = np.empty(self._size, dtype=_CANDIDATE)
        candidates["id"] = np.arange(self._size, dtype=np.int32)
        candidates["logit"] = self._logits(row)
        candidates["p"] = 0.0
        array = _array(candidates)
        if filtered:
            candidates["logit"][self._unseen] = -np.inf
            lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
        lib.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(array.data[array.selected].id)

    def _is_allowed(self, token: int) -> bool:
        if token in self._unseen:
            return False
        candidate = np.array([(token, 0.0, 0.0)], dtype=_CANDIDATE)
        array = _array(candidate)
        lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
        return bool(np.isfinite(candidate["logit"][0]))


def _weighted_sum(shares: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    """Return the sum of the products; a token with a logit of minus infinity adds nothing."""
    return float(np.multiply(shares, logits, where=shares > 0.0, out=np.zeros_like(shares)).sum())


def _array(candidates: NDArray[np.void]) -> Any:
    data = candidates.ctypes.data_as(lib.llama_token_data_p)
    return lib.llama_token_data_array(data=data, size=len(candidates), selected=-1, sorted=False)


def _grammar(vocab: int, text: str | None) -> object:
    if text is None:
        return None
    grammar: object = lib.llama_sampler_init_grammar(vocab, text.encode(), b"root")
    if not grammar:
        raise GrammarRefused
    return grammar


def _chain(vocabulary_size: int, sampling: Sampling) -> object:
    chain: object = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    for sampler in _samplers(vocabulary_size, sampling):
        lib.llama_sampler_chain_add(chain, sampler)
    return chain


def _samplers(vocabulary_size: int, sampling: Sampling) -> list[object]:
    found: list[object] = []
    if sampling.logit_bias:
        found.append(_bias(vocabulary_size, sampling.logit_bias))
    if sampling.has_penalties:
        found.append(
            lib.llama_sampler_init_penalties(
                vocabulary_size,
                _PENALTY_TOKENS,
                sampling.repeat_penalty,
                sampling.frequency_penalty,
                sampling.presence_penalty,
            )
        )
    if sampling.temperature == 0.0:
        return [*found, lib.llama_sampler_init_greedy()]
    if sampling.top_k > 0:
        found.append(lib.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1.0:
        found.append(lib.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0.0:
        found.append(lib.llama_sampler_init_min_p(sampling.min_p, 1))
    found.append(lib.llama_sampler_init_temp(sampling.temperature))
    return [*found, lib.llama_sampler_init_dist(_llama_seed(sampling.seed))]


def _bias(vocabulary_size: int, logit_bias: Mapping[int, float]) -> object:
    biases = (lib.llama_logit_bias * len(logit_bias))(
        *(lib.llama_logit_bias(token=token, bias=bias) for token, bias in logit_bias.items())
    )
    sampler: object = lib.llama_sampler_init_logit_bias(vocabulary_size, len(logit_bias), biases)
    return sampler  # It has copied the biases.


def _llama_seed(seed: int | None) -> int:
    if seed is None:
        return _RANDOM_SEED
    return seed % _RANDOM_SEED
