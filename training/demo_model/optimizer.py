"""Muon: steps of matrices along the nearest orthogonal one (Jordan et al. 2024,
kellerjordan.github.io/posts/muon)."""

from collections.abc import Sequence

import torch
from torch import Tensor

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration, from the article."""


def orthogonal(gradient: Tensor, *, iterations: int = 5) -> Tensor:
    """Return about U V^T for a matrix U S V^T, by a Newton-Schulz iteration."""
    a, b, c = _QUINTIC
    x = gradient.T if gradient.shape[0] > gradient.shape[1] else gradient
    x = (x / (x.norm() + 1e-7)).bfloat16()
    for _ in range(iterations):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if gradient.shape[0] > gradient.shape[1] else x).float()


class Muon:
    """Momentum of matrices, made orthogonal."""

    def __init__(
        self, matrices: Sequence[Tensor], *, rate: float, momentum: float = 0.95, decay: float = 0.01
    ) -> None:
        self._matrices = matrices
        self._rate, self._momentum, self._decay = rate, momentum, decay
        self._moments = [torch.zeros_like(matrix) for matrix in matrices]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Move each matrix against its gradient, at the rate times a factor, and forget the gradient."""
        for matrix, moment in zip(self._matrices, self._moments, strict=True):
            if matrix.grad is None:
                continue
            moment.lerp_(matrix.grad, 1 - self._momentum)
            along = orthogonal(matrix.grad.lerp(moment, self._momentum))
            scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
            matrix.mul_(1 - self._rate * factor * self._decay)
            matrix.add_(along, alpha=-self._rate * factor * scale)
            matrix.grad = None

    def state(self) -> list[Tensor]:
        """Return the moments."""
        return self._moments

    def load(self, moments: Sequence[Tensor]) -> None:
        """Go on from saved moments."""
        for mine, saved in zip(self._moments, moments, strict=True):
            mine.copy_(saved)
