"""An embedding model loaded by llama.cpp: token sequences in, vectors out, pooled as the file says.

One thread at a time may call `embed`; any thread may call `tokenize`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from llama_cpp import llama_cpp as lib
from numpy.typing import NDArray

from gateway.engine.interfaces import BatchToken, DecodeFailed
from gateway.engine.llama.library_calls import load_file, put_tokens, tokens_of
from gateway.engine.llama.library_log import log
from gateway.engine.llama.model_file_facts import model_facts
from gateway.engine.llama.params import LlamaSettings, context_params
from gateway.errors import StartupError

_POOLINGS = {
    lib.LLAMA_POOLING_TYPE_MEAN: "mean",
    lib.LLAMA_POOLING_TYPE_CLS: "cls",
    lib.LLAMA_POOLING_TYPE_LAST: "last",
}
"""How a file may make one vector of those of its tokens."""


class LlamaEmbedder:
    """A loaded GGUF file of an embedding model."""

    def __init__(
        self, settings: LlamaSettings, *, on_progress: Callable[[float], None] = lambda share: None
    ) -> None:
        self._model = load_file(settings, on_progress)
        self._vocab = lib.llama_model_get_vocab(self._model)
        trained = lib.llama_model_n_ctx_train(self._model) or settings.context_tokens
        self.context_tokens = min(settings.context_tokens, trained)
        self.facts = model_facts(self._model, settings, context_tokens=self.context_tokens)
        self.slots = settings.slots
        self.batch_tokens = settings.batch_tokens
        self.dimensions: int = lib.llama_model_n_embd_out(self._model)
        self._context = lib.llama_init_from_model(self._model, context_params(settings))
        if not self._context:
            raise StartupError(f"{settings.path}: no memory: {log.reason()}; lower context")
        pooling = lib.llama_pooling_type(self._context)
        if pooling not in _POOLINGS:
            raise StartupError(
                f"{settings.path}: gives no vector of a text (pooling {pooling}); "
                "choose the file of an embedding model, or remove embeds from the policy"
            )
        self.pooling = _POOLINGS[pooling]
        self._memory = lib.llama_get_memory(self._context)
        self._run = lib.llama_decode if self._memory else lib.llama_encode
        self._batch = lib.llama_batch_init(settings.batch_tokens, 0, 1)
        self._warm_up(settings)

    def _warm_up(self, settings: LlamaSettings) -> None:
        """Embed one text, to find a model that does not run and to load it into memory; see `LlamaModel`."""
        lib.llama_set_n_threads(self._context, 1, 1)
        try:
            self.embed([self.tokenize("a")])
        except DecodeFailed as error:
            raise StartupError(f"{settings.path}: does not run: {error}; choose another file") from None
        lib.llama_set_n_threads(self._context, settings.threads, settings.prefill_threads)

    @property
    def is_locked(self) -> bool:
        """Whether the kernel locked all the memory that `mlock` asked for."""
        return not log.has_warned("mlock")

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text, with those that the model has around every text.

        A control token's text in it is plain text.
        """
        return tuple(tokens_of(self._vocab, text, add_special=True, parse_special=False))

    def embed(self, inputs: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Return the vector of each input, not scaled; at most `slots` inputs and `batch_tokens` tokens.

        Raises DecodeFailed.
        """
        if self._memory:
            lib.llama_memory_clear(self._memory, True)
        put_tokens(
            self._batch,
            [
                BatchToken(token, position, sequence, True)
                for sequence, tokens in enumerate(inputs)
                for position, token in enumerate(tokens)
            ],
        )
        code = self._run(self._context, self._batch)
        if code != 0:
            raise DecodeFailed(f"{self._run.__name__} returned {code}")
        return [self._vector(sequence) for sequence in range(len(inputs))]

    def _vector(self, sequence: int) -> NDArray[np.float32]:
        values = lib.llama_get_embeddings_seq(self._context, sequence)
        if not values:
            raise DecodeFailed("llama.cpp has no vector of a text")
        return np.ctypeslib.as_array(values, (self.dimensions,)).copy()

    def close(self) -> None:
        """Free the model; it must not be used afterwards."""
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._context)
        lib.llama_model_free(self._model)
