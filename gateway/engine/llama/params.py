"""The load settings of a model as llama.cpp's parameters."""

import ctypes
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as lib

from gateway.engine.threads import default_threads
from gateway.errors import StartupError
from gateway.policy.llama_cpp import AUTO, LlamaCppModel

BATCH_TOKENS = 512
"""Most tokens of one step; the measured throughput lowers it while other requests generate."""
ALL_LAYERS = -1
"""What llama.cpp takes for all layers; without a GPU it puts none on one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaSettings:
    """How to load a model; a cell of the KV cache holds one token."""

    path: Path
    context_tokens: int
    slots: int
    kv_cells: int
    batch_tokens: int
    threads: int
    prefill_threads: int
    gpu_layers: int = 0
    """-1: all."""
    flash_attention: bool | None = None
    lora: tuple[tuple[Path, float], ...] = ()
    """Adapters with their scales, applied to every request."""
    numa: bool = False
    mlock: bool = False
    gives_vectors: bool = False
    """Whether it is loaded for embeddings, pooled as its file says."""


def embedding_settings(settings: LlamaSettings) -> LlamaSettings:
    """Return settings for vectors: a batch holds a whole text, and nothing is kept between batches.

    Flash attention has 16-bit floats in it, so that a vector depends on its batch in the fourth decimal; it
    is off unless the policy wants it.
    """
    tokens = max(settings.batch_tokens, settings.context_tokens)
    return replace(
        settings,
        gives_vectors=True,
        batch_tokens=tokens,
        kv_cells=tokens,
        flash_attention=bool(settings.flash_attention),
    )


def draft_settings(settings: LlamaSettings, path: Path) -> LlamaSettings:
    """Return settings for the draft model of a model: as many answers, as long."""
    return replace(settings, path=path, lora=())


def settings_of(spec: LlamaCppModel, path: Path) -> LlamaSettings:
    """Return the load settings of a model, with defaults filled in; raises StartupError if they conflict."""
    if spec.kv_cells < spec.context:
        raise StartupError(f"kv_cells {spec.kv_cells} is less than context {spec.context}; raise kv_cells")
    threads = spec.threads or default_threads()
    return LlamaSettings(
        path=path,
        context_tokens=spec.context,
        slots=spec.slots,
        kv_cells=spec.kv_cells,
        batch_tokens=BATCH_TOKENS,
        threads=threads,
        prefill_threads=spec.prefill_threads or threads,
        gpu_layers=ALL_LAYERS if spec.gpu_layers == AUTO else spec.gpu_layers,
        flash_attention=spec.flash_attention,
        lora=tuple((Path(adapter.path).expanduser(), adapter.scale) for adapter in spec.lora),
        numa=spec.numa,
        mlock=spec.mlock,
    )


def model_params(settings: LlamaSettings) -> Any:
    """Return llama_model_params."""
    mode = lib.LLAMA_LOAD_MODE_MMAP_MLOCK if settings.mlock else lib.LLAMA_LOAD_MODE_AUTO
    return _filled(lib.llama_model_default_params(), n_gpu_layers=settings.gpu_layers, load_mode=mode)


def context_params(settings: LlamaSettings) -> Any:
    """Return llama_context_params."""
    params = _filled(
        lib.llama_context_default_params(),
        n_ctx=settings.kv_cells,
        n_seq_max=settings.slots,
        n_batch=settings.batch_tokens,
        n_ubatch=settings.batch_tokens,
        n_threads=settings.threads,
        n_threads_batch=settings.prefill_threads,
        kv_unified=True,
        no_perf=True,
        embeddings=settings.gives_vectors,
    )
    if settings.flash_attention is not None:
        _filled(params, flash_attn_type=int(settings.flash_attention))
    return params


def _filled(params: ctypes.Structure, **values: int) -> ctypes.Structure:
    """Set fields of a structure; raises AttributeError for an unknown field, which ctypes would ignore."""
    known = {field[0] for field in params._fields_}
    for name, value in values.items():
        if name not in known:
            raise AttributeError(f"{type(params).__name__} has no {name}; llama-cpp-python has changed")
        setattr(params, name, value)
    return params
