"""What llama.cpp says of a model: how much memory it will take, and what an operator reads of it.

For the memory it reads the head of the file and simulates the rest (`no_alloc`), for any architecture, in a
few tenths of a second. Only its log has the sizes; a test compares them with those of a real load.
"""

import ctypes
import os
import re

from llama_cpp import llama_cpp as lib

from gateway.domain.model_facts import MemoryNeed, ModelFacts
from gateway.engine.llama.library_log import log
from gateway.engine.llama.params import ALL_LAYERS, LlamaSettings, context_params, model_params

PROCESS_BYTES = 100_000_000
"""Memory of the process itself: interpreter, gRPC, numpy. With a model of 0.8 MB it is 91 MB in all."""
_CACHE = re.compile(r"^llama_\w+: size = +([\d.]+) MiB")
_COMPUTE = re.compile(r"^\w+: +\S+ +(?:compute|output) buffer size = +([\d.]+) MiB")
_MIB = 1024 * 1024
_NAME_BYTES = 64
"""Buffer for the name of an architecture; a longer one is cut."""


def memory_need(settings: LlamaSettings) -> MemoryNeed | None:
    """Return what loading would take; None if layers go to a GPU, or if llama.cpp cannot load the file."""
    if settings.gpu_layers and lib.llama_supports_gpu_offload():
        return None
    params = model_params(settings)
    params.no_alloc, params.load_mode = True, lib.LLAMA_LOAD_MODE_NONE
    with log.lines() as lines:
        model = lib.llama_model_load_from_file(os.fsencode(settings.path), params)
        if not model:
            return None
        weights = int(lib.llama_model_size(model))
        context = None
        if not lib.llama_model_has_encoder(model):
            context = lib.llama_init_from_model(model, context_params(settings))
        if context:
            lib.llama_free(context)
        lib.llama_model_free(model)
    if not context:
        return None
    return MemoryNeed(
        weights_bytes=weights + sum(path.stat().st_size for path, _ in settings.lora),
        cache_bytes=_sum(_CACHE, lines),
        compute_bytes=_sum(_COMPUTE, lines) + PROCESS_BYTES,
    )


def model_facts(model: int, settings: LlamaSettings, *, context_tokens: int) -> ModelFacts:
    """Return what an operator is told of a loaded model."""
    buffer = ctypes.create_string_buffer(_NAME_BYTES)
    lib.llama_model_meta_val_str(model, b"general.architecture", buffer, _NAME_BYTES)
    layers = int(lib.llama_model_n_layer(model)) + 1
    wanted = layers if settings.gpu_layers == ALL_LAYERS else min(settings.gpu_layers, layers)
    has_gpu = bool(lib.llama_supports_gpu_offload())
    return ModelFacts(
        architecture=buffer.value.decode("utf-8", "replace"),
        context_tokens=context_tokens,
        threads=settings.threads,
        layers=layers,
        has_gpu=has_gpu,
        gpu_layers=wanted if has_gpu else 0,
    )


def _sum(size: re.Pattern[str], lines: list[str]) -> int:
    found = (size.match(line) for line in lines)
    return round(sum(float(match[1]) for match in found if match) * _MIB)
