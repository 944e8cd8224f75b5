"""Samples the tokens of one request from llama.cpp's logits, in llama.cpp's own order of samplers.

The order is bias, penalties, top-k, top-p, min-p, temperature, random choice. A constraint first checks the
sampled token; only if it rejects it are all tokens masked and sampled again: the mask reads the whole
vocabulary. Plain greedy sampling, the most common case, uses numpy, which takes a tenth of a sampler's time.

A seed gives the same random numbers at any batch size. The logits are equal only for steps of the same shape:
llama.cpp sums in another order for another number of rows, so the last bits differ, and of two tokens that
are that close the other one may be sampled."""

import ctypes
from collections.abc import Mapping

import numpy as np
from llama_cpp import llama_cpp as lib
from numpy.typing import NDArray

from gateway.engine.interfaces import Matcher, NothingToSample, SampledLogprob, Sampling

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

    def __init__(self, context: int, vocab: int, sampling: Sampling, matcher: Matcher | None) -> None:
        """`matcher` is that of the constraint."""
        self._context = context
        self._size = int(lib.llama_vocab_n_tokens(vocab))
        self._sampling = sampling
        self._deferred = (
            matcher if sampling.constraint is not None and sampling.constraint.is_deferred else None
        )
        self._matcher = matcher if self._deferred is None else None
        self._is_plain_greedy = (
            sampling.temperature == 0.0 and not sampling.has_penalties and not sampling.logit_bias
        )
        self._chain = _chain(self._size, sampling)
        self._is_forced = False
        self._views: dict[int, NDArray[np.float32]] = {}
        """Logits by address: llama.cpp reuses the same few buffers."""

    def arm(self) -> None:
        """Hold the answer to a deferred constraint from the next token on."""
        if self._deferred is not None:
            self._matcher, self._deferred = self._deferred, None

    def sample(self, row: int) -> int:
        """Sample a token from the logits of a row of the last batch, and accept it."""
        if self._matcher is not None:
            token = self._sample_constrained(row, self._matcher)
        elif self._is_plain_greedy:
            token = int(self._logits(row).argmax())
        else:
            token = int(lib.llama_sampler_sample(self._chain, self._context, row))
        if self._sampling.logit_bias.get(token, 0.0) < _LEAST_FLOAT:
            raise NothingToSample
        return token

    def _sample_constrained(self, row: int, matcher: Matcher) -> int:
        self._is_forced = self._reports_all and bool(matcher.forced())
        token = self._pick(row, None)
        if not matcher.allows(token):
            token = self._pick(row, matcher.mask())
        self.accept(token)
        return token

    def accept(self, token: int) -> None:
        """Take a token into the constraint and the penalties."""
        if self._matcher is not None:
            self._matcher.accept(token)
        if not self._is_plain_greedy:
            lib.llama_sampler_accept(self._chain, token)

    def forced(self) -> list[int]:
        """Return the tokens that must come next; none where each token's log-probability is reported."""
        if self._matcher is None or self._reports_all:
            return []
        return self._matcher.forced()

    @property
    def _reports_all(self) -> bool:
        return self._sampling.logprobs is not None and self._sampling.logprob_tokens is None

    def logprob(self, row: int, token: int) -> SampledLogprob | None:
        """Return the log-probability of a sampled token; None if the request does not ask for it."""
        count = self._sampling.logprobs
        if count is None:
            return None
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
            is_forced=self._is_forced,
        )

    def close(self) -> None:
        """Free the samplers."""
        lib.llama_sampler_free(self._chain)

    def _logits(self, row: int) -> NDArray[np.float32]:
        """Return the logits of a row without a copy; valid until the next step."""
        address = _row_address(self._context, row)
        known = self._views.get(address)
        if known is None:
            array = (ctypes.c_float * self._size).from_address(address)
            known = self._views[address] = np.frombuffer(memoryview(array), dtype=np.float32)
        return known

    def _pick(self, row: int, mask: NDArray[np.bool_] | None) -> int:
        """Sample from all tokens, or from those of a mask."""
        logits = self._logits(row)
        if mask is not None:
            logits = np.where(mask, logits, -np.inf)
        if self._is_plain_greedy:
            return int(logits.argmax())
        candidates = np.empty(self._size, dtype=_CANDIDATE)
        candidates["id"] = np.arange(self._size, dtype=np.int32)
        candidates["logit"] = logits
        candidates["p"] = 0.0
        data = candidates.ctypes.data_as(lib.llama_token_data_p)
        array = lib.llama_token_data_array(data=data, size=len(candidates), selected=-1, sorted=False)
        lib.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(array.data[array.selected].id)


def _weighted_sum(shares: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    """Return the sum of the products; a token with a logit of minus infinity adds nothing."""
    return float(np.multiply(shares, logits, where=shares > 0.0, out=np.zeros_like(shares)).sum())


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
