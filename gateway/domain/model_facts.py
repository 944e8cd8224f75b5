"""What an engine finds in a model file before it serves it: told to the gateway, logged and shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeed:
    """What an engine will allocate in the memory of this host, in bytes."""

    weights_bytes: int
    """The model and its adapters; a file that is mapped counts in full, since every token reads it."""
    cache_bytes: int
    """The KV cache of all cells."""
    compute_bytes: int
    """Buffers of llama.cpp for one step, and the process itself."""

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.cache_bytes + self.compute_bytes

    def __add__(self, other: "MemoryNeed") -> "MemoryNeed":
        """Return what two models need in one process."""
        return MemoryNeed(
            weights_bytes=self.weights_bytes + other.weights_bytes,
            cache_bytes=self.cache_bytes + other.cache_bytes,
            compute_bytes=self.compute_bytes + other.compute_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A loaded model in a few words for an operator."""

    architecture: str
    """llama.cpp's name of the architecture, such as `qwen3`."""
    context_tokens: int
    threads: int
    """Threads for decoding."""
    layers: int
    """Layers of the model; the output counts as one."""
    has_gpu: bool
    """Whether this build of llama.cpp can put layers on a GPU."""
    gpu_layers: int
    """Layers that llama.cpp put on a GPU."""
