"""Write a synthetic GGUF of any shape for benchmarks: `python tools/make_synthetic_model.py OUT.gguf`.

Its weights are random, so it says nothing; it costs what a real model of its shape costs. The default is
the shape of a 135M-parameter llama in Q8_0; `write` makes llama.cpp's mix Q4_K_M, too. Vocabulary and
template are those of the embedded model, filled up with words to the size wanted, so that a common English
word is one token.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType
from make_constructed_model import vocabulary, word_merges, write_head, written
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A llama in numbers; every width is a multiple of 32, the block of Q8_0, or 256, that of Q4_K."""

    layers: int = 30
    embedding: int = 576
    heads: int = 9
    kv_heads: int = 3
    feed_forward: int = 1536
    vocabulary: int = 49_152
    context: int = 8192
    head_width: int = 0
    """Width of one attention head; 0: embedding / heads."""

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.head_width or self.embedding // self.heads

    @property
    def parameters(self) -> int:
        """Weights in all; the output shares the embedding's."""
        attention = 2 * self.embedding * (self.heads + self.kv_heads) * self.head
        return self.layers * (attention + 3 * self.embedding * self.feed_forward) + (
            self.vocabulary * self.embedding
        )


def sizes(shape: Shape) -> dict[str, tuple[int, int]]:
    """Return the size of each matrix by its name: rows, and weights in a row."""
    wide, narrow, inner = shape.embedding, shape.kv_heads * shape.head, shape.heads * shape.head
    found = {"token_embd": (shape.vocabulary, wide)}
    for layer in range(shape.layers):
        found |= {
            f"blk.{layer}.attn_q": (inner, wide),
            f"blk.{layer}.attn_k": (narrow, wide),
            f"blk.{layer}.attn_v": (narrow, wide),
            f"blk.{layer}.attn_output": (wide, inner),
            f"blk.{layer}.ffn_gate": (shape.feed_forward, wide),
            f"blk.{layer}.ffn_up": (shape.feed_forward, wide),
            f"blk.{layer}.ffn_down": (wide, shape.feed_forward),
        }
    return found


def matrix(size: tuple[int, int], kind: GGMLQuantizationType, random: np.random.Generator) -> NDArray[Any]:
    """Return a random matrix in the blocks of a quantization, with weights of mean 0 and of a usual size."""
    if kind is GGMLQuantizationType.Q8_0:
        drawn = random.standard_normal(size, dtype=np.float32) / np.float32(size[1] ** 0.5)
        return gguf.quants.quantize(drawn, kind)
    weights, width = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (size[0], size[1] // weights, width), dtype=np.uint8)

    scale = size[1] ** -0.5

    def put(at: int, value: float) -> None:
        blocks[..., at : at + 2] = np.array([value], dtype=np.float16).view(np.uint8)

    if kind is GGMLQuantizationType.Q4_K:  # d * (0..63) * (0..15) - dmin * (0..63)
        put(0, scale / 150)
        put(2, scale / 150 * 7.5)
    else:  # Q6_K: d * (-128..127) * (-32..31)
        put(width - 2, scale / 1350)
    return blocks.reshape(size[0], -1)


def kind_of(name: str, shape: Shape, mix: str) -> GGMLQuantizationType:
    """Return what llama.cpp quantizes a matrix to: in Q4_K_M some matrices, in some layers, get six bits."""
    if mix == "Q8_0":
        return GGMLQuantizationType.Q8_0
    if name == "token_embd":  # It is the output, too.
        return GGMLQuantizationType.Q6_K
    _, layer, part = name.split(".")
    eighth, index = shape.layers // 8, int(layer)
    is_more = index < eighth or index >= 7 * shape.layers // 8 or (index - eighth) % 3 == 2
    is_kept = part in ("attn_v", "ffn_down") and is_more
    return GGMLQuantizationType.Q6_K if is_kept else GGMLQuantizationType.Q4_K


def tokens_of(shape: Shape) -> tuple[list[str], list[tuple[str, str]]]:
    """Return vocabulary and merges: the embedded model's, and words that only an answer can hold."""
    merges = word_merges()
    tokens = vocabulary(merges)
    if len(tokens) > shape.vocabulary:
        raise SystemExit(f"--vocabulary {shape.vocabulary}: must be at least {len(tokens)}")
    tokens += [written(f" w{number}") for number in range(shape.vocabulary - len(tokens))]
    return tokens, merges


def write(
    path: Path,
    shape: Shape,
    *,
    seed: int = 1,
    mix: str = "Q8_0",
    add: Callable[[gguf.GGUFWriter], None] = lambda writer: None,
) -> None:
    """Write a model; `mix` is Q8_0 or Q4_K_M, and `add` adds metadata."""
    writer = gguf.GGUFWriter(path, "llama")
    tokens, merges = tokens_of(shape)
    writer.add_name(f"synthetic {shape.parameters / 1e6:.0f}M")
    writer.add_description("Random weights, for benchmarks; see tools/make_synthetic_model.py.")
    write_head(
        writer, context=shape.context, embedding=shape.embedding, layers=shape.layers,
        feed_forward=shape.feed_forward, heads=shape.heads, kv_heads=shape.kv_heads, rope_base=100_000.0,
        norm_epsilon=1e-5, file_type=gguf.LlamaFileType[f"MOSTLY_{mix}"], tokens=tokens, merges=merges,
        head=shape.head_width or None,
    )  # fmt: skip
    add(writer)
    random = np.random.default_rng(seed)
    for name, size in sizes(shape).items():
        kind = kind_of(name, shape, mix)
        writer.add_tensor(f"{name}.weight", matrix(size, kind, random), raw_dtype=kind)
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
