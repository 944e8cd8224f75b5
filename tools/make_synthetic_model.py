"""Write a synthetic GGUF of any shape for benchmarks: `python tools/make_synthetic_model.py OUT.gguf`.

Its weights are random, so it says nothing; it costs what a real model of its shape costs. The default is
the shape of a 135M-parameter llama in Q8_0. Vocabulary and template are those of the embedded model, filled
up with words to the size wanted, so that a common English word is one token.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from make_constructed_model import vocabulary, word_merges, write_head, written
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A llama in numbers; every width is a multiple of 32, the block of Q8_0."""

    layers: int = 30
    embedding: int = 576
    heads: int = 9
    kv_heads: int = 3
    feed_forward: int = 1536
    vocabulary: int = 49_152
    context: int = 8192

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.embedding // self.heads

    @property
    def parameters(self) -> int:
        """Weights in all; the output shares the embedding's."""
        attention = 2 * self.embedding * (self.embedding + self.kv_heads * self.head)
        return self.layers * (attention + 3 * self.embedding * self.feed_forward) + (
            self.vocabulary * self.embedding
        )


def tensors(shape: Shape, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return the random weights by name."""
    random = np.random.default_rng(seed)
    wide, narrow = shape.embedding, shape.kv_heads * shape.head
    sizes = {"token_embd": (shape.vocabulary, wide)}
    for layer in range(shape.layers):
        sizes |= {
            f"blk.{layer}.attn_q": (wide, wide),
            f"blk.{layer}.attn_k": (narrow, wide),
            f"blk.{layer}.attn_v": (narrow, wide),
            f"blk.{layer}.attn_output": (wide, wide),
            f"blk.{layer}.ffn_gate": (shape.feed_forward, wide),
            f"blk.{layer}.ffn_up": (shape.feed_forward, wide),
            f"blk.{layer}.ffn_down": (wide, shape.feed_forward),
        }
    return {
        name: random.standard_normal(size, dtype=np.float32) / np.float32(size[1] ** 0.5)
        for name, size in sizes.items()
    }


def tokens_of(shape: Shape) -> tuple[list[str], list[tuple[str, str]]]:
    """Return vocabulary and merges: the embedded model's, and words that only an answer can hold."""
    merges = word_merges()
    tokens = vocabulary(merges)
    if len(tokens) > shape.vocabulary:
        raise SystemExit(f"--vocabulary {shape.vocabulary}: must be at least {len(tokens)}")
    tokens += [written(f" w{number}") for number in range(shape.vocabulary - len(tokens))]
    return tokens, merges


def write(
    path: Path, shape: Shape, *, seed: int = 1, add: Callable[[gguf.GGUFWriter], None] = lambda writer: None
) -> None:
    """Write a model; `add` adds metadata."""
    writer = gguf.GGUFWriter(path, "llama")
    tokens, merges = tokens_of(shape)
    writer.add_name(f"synthetic {shape.parameters / 1e6:.0f}M")
    writer.add_description("Random weights, for benchmarks; see tools/make_synthetic_model.py.")
    write_head(
        writer, context=shape.context, embedding=shape.embedding, layers=shape.layers,
        feed_forward=shape.feed_forward, heads=shape.heads, kv_heads=shape.kv_heads, rope_base=100_000.0,
        norm_epsilon=1e-5, file_type=gguf.LlamaFileType.MOSTLY_Q8_0, tokens=tokens, merges=merges,
    )  # fmt: skip
    add(writer)
    quantized = gguf.GGMLQuantizationType.Q8_0
    for name, weights in tensors(shape, seed).items():
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(weights, quantized), raw_dtype=quantized)
    norms = [f"blk.{i}.{kind}" for i in range(shape.layers) for kind in ("attn_norm", "ffn_norm")]
    for name in [*norms, "output_norm"]:
        writer.add_tensor(f"{name}.weight", np.ones(shape.embedding, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Read the shape from the command line and write the file."""
    parser = argparse.ArgumentParser(description="Write a synthetic GGUF in Q8_0.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    for name, default in ((f, getattr(Shape(), f)) for f in Shape.__dataclass_fields__):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    arguments = vars(parser.parse_args())
    out, seed = arguments.pop("out"), arguments.pop("seed")
    shape = Shape(**arguments)
    write(out, shape, seed=seed)
    print(f"{out}: {shape.parameters / 1e6:.0f}M parameters, {out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
