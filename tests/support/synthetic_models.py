"""GGUF files made for a test: the constructed one, an adapter of it, a slow one, and one of any size."""

import os
import sys
from pathlib import Path

import gguf
import numpy as np

from tests.support.repository import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import make_constructed_model
import make_synthetic_model
from make_constructed_model import ALWAYS, EMBEDDING, vocabulary, word_merges, write_head
from make_synthetic_model import Shape

__all__ = ["Shape", "write_synthetic"]

write_synthetic = make_synthetic_model.write

SLOW = make_synthetic_model.Shape(
    layers=8, embedding=512, heads=8, kv_heads=8, feed_forward=2048, vocabulary=1024, context=8192
)
"""34M parameters: a prompt that fills its context takes seconds to read, on one thread more than ten."""


def write_slow(path: Path) -> None:
    """Write a model whose prompts take long; its answers mean nothing."""
    make_synthetic_model.write(path, SLOW)


def write_constructed(path: Path) -> None:
    """Write the constructed model: a few sentences, the likeliest token far ahead of all others."""
    make_constructed_model.write(path)


def write_recommending(path: Path) -> None:
    """Write the constructed model with what its publisher recommends: temperature 0.5 and top-k 7."""

    def recommend(writer: gguf.GGUFWriter) -> None:
        writer.add_sampling_temp(0.5)
        writer.add_sampling_top_k(7)

    make_constructed_model.write(path, add=recommend)


def write_with_ends(path: Path, ends: tuple[str, ...]) -> None:
    """Write the constructed model with more control tokens, which llama.cpp knows by their names."""
    was = make_constructed_model.CONTROLS
    make_constructed_model.CONTROLS = (*was, *ends)
    try:
        make_constructed_model.write(path)
    finally:
        make_constructed_model.CONTROLS = was


def write_spelling(path: Path) -> None:
    """Write a model of sentencepiece's kind that has letters and bytes, but no token for its space marker.

    So every space is spelt in the three bytes of the marker.
    """
    letters = list("abcdefghijklmnopqrstuvwxyz:")
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * len(letters)
    width, dice = 32, np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(width)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(
        "{% for message in messages %}{{ message.role }}: {{ message.content }}{% endfor %}"
    )
    names = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes: dict[str, tuple[int, ...]] = {f"blk.0.{name}": (width, width) for name in names}
    shapes |= {"token_embd": (len(tokens), width), "output": (len(tokens), width)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", dice.standard_normal(shape, dtype=np.float32))
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def token_of(path: Path, text: str) -> int:
    """Return the token of a model that is written so."""
    field = gguf.GGUFReader(path).fields["tokenizer.ggml.tokens"]
    return [bytes(field.parts[index]).decode() for index in field.data].index(text)


def write_adapter(
    path: Path,
    *,
    says: str,
    width: int = EMBEDDING,
    planes: int = 1,
    architecture: str = "llama",
    kind: str = "adapter",
) -> None:
    """Write a LoRA adapter of rank 1 that makes the constructed model say one token for ever.

    It adds to that token's logit what the dimension that is always on gives. With more than one plane, or
    another width, architecture or kind it is an adapter that does not fit.
    """
    tokens = vocabulary(word_merges())
    down = np.zeros((planes, 1, width), dtype=np.float32)
    down[:, 0, min(ALWAYS, width - 1)] = 1.0
    up = np.zeros((len(tokens), 1), dtype=np.float32)
    up[tokens.index(says), 0] = 100.0
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(kind)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 1.0)
    writer.add_tensor("output.weight.lora_a", down if planes > 1 else down[0])
    writer.add_tensor("output.weight.lora_b", up)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_hollow(path: Path, *, layers: int) -> int:
    """Write a model of half a gigabyte a layer that takes no room on the disk; return its size in bytes.

    Its weights are a hole in the file, so all of them are zero.
    """
    merges = word_merges()
    tokens = vocabulary(merges)
    width, feed_forward = 4096, 16_384
    writer = gguf.GGUFWriter(path, "llama")
    write_head(
        writer, context=2048, embedding=width, layers=layers, feed_forward=feed_forward, heads=32,
        kv_heads=32, rope_base=10_000.0, norm_epsilon=1e-5, file_type=gguf.LlamaFileType.MOSTLY_F16,
        tokens=tokens, merges=merges,
    )  # fmt: skip
    shapes = {"token_embd": (len(tokens), width), "output_norm": (width,)}
    for layer in range(layers):
        attention = ("attn_q", "attn_k", "attn_v", "attn_output")
        shapes |= {f"blk.{layer}.{name}": (width, width) for name in attention}
        shapes |= {f"blk.{layer}.{name}": (feed_forward, width) for name in ("ffn_gate", "ffn_up")}
        shapes |= {f"blk.{layer}.ffn_down": (width, feed_forward)}
        shapes |= {f"blk.{layer}.{name}": (width,) for name in ("attn_norm", "ffn_norm")}
    size = 0
    for name, shape in shapes.items():
        kind = np.dtype(np.float32 if len(shape) == 1 else np.float16)
        count = int(np.prod(shape)) * kind.itemsize
        writer.add_tensor_info(f"{name}.weight", shape, kind, count)
        size += gguf.GGUFWriter.ggml_pad(count, writer.data_alignment)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    size += gguf.GGUFWriter.ggml_pad(path.stat().st_size, writer.data_alignment)
    os.truncate(path, size)
    return size
