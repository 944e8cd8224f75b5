"""GGUF files of embedding models with random weights, made for a test: BERT-like, and a causal llama."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from tests.support.synthetic_models import Shape, write_synthetic

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""The control tokens of BERT, in the order of its vocabulary files."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?@-'/"
Pooling = gguf.PoolingType


@dataclass(frozen=True, slots=True, kw_only=True)
class BertShape:
    """A BERT in numbers."""

    layers: int = 2
    width: int = 32
    heads: int = 4
    feed_forward: int = 64
    context: int = 128


BERT = BertShape()


def vocabulary() -> list[str]:
    """Return word pieces as BERT's vocabulary files have them: each letter alone, and within a word."""
    return [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]


def random_weights(shape: BertShape, pieces: int, seed: int = 1) -> Mapping[str, NDArray[np.float32]]:
    """Return the tensors of a BERT, by their names in GGUF; biases and norms are random too."""
    dice = np.random.default_rng(seed)
    width, wide = shape.width, shape.feed_forward
    sizes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (pieces, width),
        "token_types.weight": (2, width),
        "position_embd.weight": (shape.context, width),
        "token_embd_norm.weight": (width,),
        "token_embd_norm.bias": (width,),
    }
    for layer in range(shape.layers):
        shapes = {
            "attn_q": (width, width), "attn_k": (width, width), "attn_v": (width, width),
            "attn_output": (width, width), "attn_output_norm": (width,), "ffn_up": (wide, width),
            "ffn_down": (width, wide), "layer_output_norm": (width,),
        }  # fmt: skip
        for name, size in shapes.items():
            sizes[f"blk.{layer}.{name}.weight"] = size
            sizes[f"blk.{layer}.{name}.bias"] = size[:1]
    return {
        name: dice.standard_normal(size, dtype=np.float32)
        / np.float32(size[-1] ** 0.5 if len(size) > 1 else 4)
        + np.float32("norm.weight" in name)
        for name, size in sizes.items()
    }


def write_bert(
    path: Path,
    *,
    pooling: gguf.PoolingType = Pooling.MEAN,
    shape: BertShape = BERT,
    pieces: Sequence[str] = (),
    weights: Mapping[str, NDArray[np.float32]] | None = None,
) -> None:
    """Write a BERT that pools so; without weights they are random, and its vectors mean nothing."""
    pieces = pieces or vocabulary()
    weights = weights or random_weights(shape, len(pieces))
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_token_list([_as_llama_cpp_has_it(piece) for piece in pieces])
    kinds = [gguf.TokenType.CONTROL if piece in SPECIAL else gguf.TokenType.NORMAL for piece in pieces]
    writer.add_token_types(kinds)
    ids = {piece: pieces.index(piece) for piece in SPECIAL}
    writer.add_pad_token_id(ids["[PAD]"])
    writer.add_unk_token_id(ids["[UNK]"])
    writer.add_bos_token_id(ids["[CLS]"])
    writer.add_sep_token_id(ids["[SEP]"])
    writer.add_mask_token_id(ids["[MASK]"])
    for name, tensor in weights.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _as_llama_cpp_has_it(piece: str) -> str:
    """Return a word piece with a mark at the start of a word in place of one within it."""
    if piece in SPECIAL:
        return piece
    return piece[2:] if piece.startswith("##") and len(piece) > 2 else f"\u2581{piece}"


def write_causal(path: Path, *, pooling: gguf.PoolingType) -> None:
    """Write a llama with a causal attention that pools so, as newer embedding models are made."""
    shape = Shape(layers=2, embedding=64, heads=4, kv_heads=2, feed_forward=128, vocabulary=1024, context=128)
    write_synthetic(path, shape, add=lambda writer: writer.add_pooling_type(pooling))
