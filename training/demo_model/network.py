"""The demo model as PyTorch computes it: a llama, so that llama.cpp computes the same."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]
"""By llama.cpp's names, without ".weight"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The shape of the model."""

    vocabulary: int
    embedding: int = 192
    layers: int = 4
    heads: int = 6
    feed_forward: int = 512
    rope_base: float = 10_000.0
    epsilon: float = 1e-5
    context: int = 8192

    @property
    def head(self) -> int:
        """Dimensions of one head."""
        return self.embedding // self.heads


def new_blocks(shape: Shape, generator: torch.Generator) -> Weights:
    """Return the weights of all layers, drawn anew."""
    size, wide = shape.embedding, shape.feed_forward
    shapes = {
        "attn_q": (size, size), "attn_k": (size, size), "attn_v": (size, size), "attn_output": (size, size),
        "ffn_gate": (wide, size), "ffn_up": (wide, size), "ffn_down": (size, wide),
    }  # fmt: skip
    weights: Weights = {}
    for layer in range(shape.layers):
        for name, of in shapes.items():
            scale = (
                of[1] ** -0.5 / (2 * shape.layers) ** 0.5
                if name in {"attn_output", "ffn_down"}
                else of[1] ** -0.5
            )
            weights[f"blk.{layer}.{name}"] = torch.randn(of, generator=generator) * scale
        for name in ("attn_norm", "ffn_norm"):
            weights[f"blk.{layer}.{name}"] = torch.ones(size)
    weights["output_norm"] = torch.ones(size)
    return weights


def rotations(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of rotary positions: [length, head / 2]."""
    speeds = shape.rope_base ** (-torch.arange(0, shape.head, 2).float() / shape.head)
    angles = torch.arange(length).float()[:, None] * speeds
    return angles.cos(), angles.sin()


def _rotated(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn neighbouring pairs, as llama.cpp does for llama: [batch, heads, length, head]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosines - odd * sines, even * sines + odd * cosines), dim=-1).flatten(-2)


def hidden(weights: Weights, shape: Shape, embedded: Tensor) -> Tensor:
    """Return the last hidden states [batch, length, embedding] of embedded tokens, normed for the output."""
    batch, length, size = embedded.shape
    cosines, sines = rotations(shape, length)

    def normed(x: Tensor, name: str) -> Tensor:
        return functional.rms_norm(x, (size,), weights[name], shape.epsilon)

    def heads(x: Tensor) -> Tensor:
        return x.view(batch, length, shape.heads, shape.head).transpose(1, 2)

    x = embedded
    for layer in range(shape.layers):
        prefix = f"blk.{layer}."
        y = normed(x, prefix + "attn_norm")
        q, k, v = (
            heads(functional.linear(y, weights[prefix + name])) for name in ("attn_q", "attn_k", "attn_v")
        )
        q, k = _rotated(q, cosines, sines), _rotated(k, cosines, sines)
        mixed = functional.scaled_dot_product_attention(q, k, v.to(q.dtype), is_causal=True)
        x = x + functional.linear(
            mixed.transpose(1, 2).reshape(batch, length, size), weights[prefix + "attn_output"]
        )
        y = normed(x, prefix + "ffn_norm")
        gate = functional.silu(functional.linear(y, weights[prefix + "ffn_gate"]))
        x = x + functional.linear(
            gate * functional.linear(y, weights[prefix + "ffn_up"]), weights[prefix + "ffn_down"]
        )
    return normed(x, "output_norm")
