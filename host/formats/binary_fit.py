"""Binary-coded weights from real ones: greedy, then alternating least squares."""

from __future__ import annotations

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError
from .binary_coded import BinaryCoded

__all__ = ["fit_binary"]


def fit_binary(
    weights: np.ndarray,
    planes: int,
    *,
    group_size: int | None = None,
    rounds: int = 15,
    powers_of_two: bool = False,
) -> BinaryCoded:
    """Planes b_i and scales a_i that minimise ``|| w - sum_i a_i b_i ||**2`` in every group.

    1. Greedy (Guo et al., *Network Sketching*, CVPR 2017): ``b_i = sign(r)``, ``a_i = mean |r|``,
       ``r -= a_i b_i``, one plane after the other.
    2. Alternating (Xu et al., *Alternating Multi-bit Quantization*, ICLR 2018), `rounds` times: the
       scales by least squares for the planes, ``a = (B B.T)**-1 B w``; then the planes for the
       scales, each weight the nearest of the ``2**q`` sums.

    A group keeps the best of all rounds, so that the squared error never grows. With
    `powers_of_two` every scale is rounded to ``2**rint(log2 a)`` before the planes are chosen
    (ShiftAddLLM, You et al., NeurIPS 2024).

    Parameters
    ----------
    weights : ndarray of floats, shape ``[N, K]``
    planes : int
        q, 1 to 8.
    group_size : int, optional
        Inputs that share scales; by default the whole row.
    rounds : int
        0 is the greedy result.
    powers_of_two : bool

    Returns
    -------
    BinaryCoded
        Planes in falling order of their scales.

    Raises
    ------
    DtypeError, ShapeError, RangeError
    """
    w = np.asarray(weights)
    if not np.issubdtype(w.dtype, np.floating):
        raise DtypeError(f"weights must be a float array, not {w.dtype}")
    if w.ndim != 2 or 0 in w.shape:
        raise ShapeError(f"weights must have shape [N, K], both at least 1, not {w.shape}")
    if not np.isfinite(w).all():
        raise RangeError("weights must be finite")
    if not 1 <= planes <= 8:
        raise RangeError(f"planes must be from 1 to 8, not {planes}")
    if group_size is not None and group_size < 1:
        raise RangeError(f"group_size must be at least 1, not {group_size}")
    n, k = w.shape
    width = k if group_size is None else min(group_size, k)
    groups = -(-k // width)
    grid = np.zeros((n, groups * width))
    grid[:, :k] = w
    grid = grid.reshape(n, groups, width)
    inside = (np.arange(groups * width) < k).reshape(groups, width)

    scales, signs = _greedy(grid, inside, planes)
    if powers_of_two:
        scales = _powers(scales)
        signs = _nearest_signs(grid, scales) * inside[:, None]
    best_error, best = _error(grid, inside, scales, signs), (scales, signs)
    for _ in range(rounds):
        scales = _least_squares(grid, signs)
        if powers_of_two:
            scales = _powers(scales)
        signs = _nearest_signs(grid, scales) * inside[:, None]
        error = _error(grid, inside, scales, signs)
        better = error < best_error
        if not better.any():
            break
        best_error = np.where(better, error, best_error)
        best = (
            np.where(better[..., None], scales, best[0]),
            np.where(better[..., None, None], signs, best[1]),
        )
    scales, signs = best
    order = np.argsort(-scales, axis=-1, kind="stable")
    scales = np.take_along_axis(scales, order, -1)
    signs = np.take_along_axis(signs, order[..., None], -2)
    bits = (signs > 0).astype(np.uint8).transpose(2, 0, 1, 3).reshape(planes, n, -1)[..., :k]
    return BinaryCoded(
        bits=np.ascontiguousarray(bits),
        scales=np.ascontiguousarray(scales.transpose(2, 0, 1)),
        group_size=group_size,
    )


def _greedy(grid: np.ndarray, inside: np.ndarray, planes: int) -> tuple[np.ndarray, np.ndarray]:
    """Scales ``[N, G, q]`` and signs ``[N, G, q, width]``, 0 outside the matrix."""
    rest, scales, signs = grid, [], []
    for _ in range(planes):
        sign = np.where(rest >= 0, 1.0, -1.0) * inside
        scale = (np.abs(rest) * inside).sum(-1) / inside.sum(-1)
        rest = rest - scale[..., None] * sign
        scales.append(scale)
        signs.append(sign)
    return np.stack(scales, -1), np.stack(signs, -2)


def _least_squares(grid: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """``(B B.T)**-1 B w`` of every group, made positive; a trace of ridge where planes coincide."""
    products = signs @ signs.swapaxes(-1, -2)
    products += 1e-6 * np.eye(signs.shape[-2])
    solved = np.linalg.solve(products, signs @ grid[..., None])[..., 0]
    return np.abs(solved)


def _powers(scales: np.ndarray) -> np.ndarray:
    safe = np.where(scales > 0, scales, 1.0)
    return np.where(scales > 0, np.exp2(np.rint(np.log2(safe))), 0.0)


def _nearest_signs(grid: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Signs ``[N, G, q, width]`` of the sum of ``+- scales`` nearest to each weight."""
    planes = scales.shape[-1]
    code = np.arange(1 << planes)
    combinations = 2.0 * (code[:, None] >> np.arange(planes) & 1) - 1
    sums = scales @ combinations.T
    best = np.full(grid.shape, np.inf)
    chosen = np.zeros(grid.shape, np.int64)
    for i in range(1 << planes):
        distance = np.abs(grid - sums[..., i, None])
        closer = distance < best
        best[closer], chosen[closer] = distance[closer], i
    return combinations[chosen].swapaxes(-1, -2)


def _error(
    grid: np.ndarray, inside: np.ndarray, scales: np.ndarray, signs: np.ndarray
) -> np.ndarray:
    wrong = (grid - (scales[..., None] * signs).sum(-2)) * inside
    return (wrong**2).sum(-1)
