"""Calls of llama.cpp that models of chats and of embeddings share."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from llama_cpp import llama_cpp as lib

from gateway.engine.interfaces import BatchToken
from gateway.engine.llama.library_log import log
from gateway.engine.llama.params import LlamaSettings, model_params
from gateway.errors import StartupError

_NUMA_DISTRIBUTE = 1
"""GGML_NUMA_STRATEGY_DISTRIBUTE: threads are spread over all nodes."""


def load_file(settings: LlamaSettings, on_progress: Callable[[float], None]) -> int:
    """Return the model of a file, as llama.cpp loads it; raises StartupError."""

    log.begin()
    lib.llama_backend_init()
    if settings.numa:
        lib.llama_numa_init(_NUMA_DISTRIBUTE)

    def progress(share: float, _data: object) -> bool:
        on_progress(share)
        return True

    params = model_params(settings)
    params.progress_callback = callback = lib.llama_progress_callback(progress)
    model = lib.llama_model_load_from_file(os.fsencode(settings.path), params)
    del callback  # Kept until here: llama.cpp has made its last call.
    if not model:
        is_memory = "memory" in log.reason()
        hint = "choose a smaller model" if is_memory else "fetch the file again or choose another"
        raise StartupError(f"{settings.path}: does not load: {log.reason()}; {hint}")
    if lib.llama_model_has_encoder(model):
        raise StartupError(f"{settings.path}: is not a decoder-only model; choose one that generates text")
    return int(model)


def tokens_of(vocab: int, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
    """Return the tokens of a text; with `add_special`, those that the model has around every text."""
    data = text.encode()
    size = len(data) + 8
    while True:
        tokens = (lib.llama_token * size)()
        count = lib.llama_tokenize(vocab, data, len(data), tokens, size, add_special, parse_special)
        if count >= 0:
            return list(tokens[:count])
        # A character without a token of its own may take more than one token a byte.
        size = -count


def put_tokens(batch: Any, tokens: Sequence[BatchToken]) -> None:
    """Fill a llama_batch."""
    batch.n_tokens = len(tokens)
    for row, item in enumerate(tokens):
        batch.token[row] = item.token
        batch.pos[row] = item.position
        batch.n_seq_id[row] = 1
        batch.seq_id[row][0] = item.sequence
        batch.logits[row] = item.wants_logits
