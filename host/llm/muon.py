"""Muon: momentum whose matrix updates are made orthogonal, for the ternary matrices.

Ternary weights change only when a latent weight crosses a threshold; updates of equal size in
every direction of the matrix need far fewer tokens for that than Adam's do.

References
----------
Jordan, K. et al. (2024), "Muon: An optimizer for hidden layers in neural networks".
Liu, J. et al. (2025), "Muon is Scalable for LLM Training", arXiv:2502.16982 (update scale).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Muon", "orthogonalise"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # quintic of Jordan et al., tuned for five rounds
_ROUNDS = 5


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return ``U V.T`` of ``matrix = U S V.T`` approximately (Newton-Schulz, bfloat16).

    The singular values of the result lie in about 0.7 ... 1.2.
    """
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.to(torch.bfloat16)
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if tall else x).to(matrix.dtype)


class Muon:
    """Nesterov momentum, orthogonal updates and decoupled weight decay.

    Parameters
    ----------
    parameters : iterable of Parameter
        Matrices ``[N, K]``.
    momentum : float
        Share of the old direction kept each step.
    weight_decay : float
        Share of a weight removed each step, times the learning rate.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
    ) -> None:
        self.parameters = list(parameters)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self._directions = [torch.zeros_like(parameter) for parameter in self.parameters]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Apply one update with learning rate ``rate`` (root mean square 0.2 ``rate``)."""
        for parameter, direction in zip(self.parameters, self._directions, strict=True):
            if parameter.grad is None:
                continue
            direction.lerp_(parameter.grad, 1.0 - self.momentum)
            update = orthogonalise(parameter.grad.lerp(direction, self.momentum))
            parameter.mul_(1.0 - rate * self.weight_decay)
            parameter.add_(update, alpha=-0.2 * rate * max(parameter.shape) ** 0.5)
