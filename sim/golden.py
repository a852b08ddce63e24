"""The plain integer product: what every device has to compute."""

from __future__ import annotations

import numpy as np

__all__ = ["InexactError", "exact_matmul", "golden_product", "weight_integers"]


class InexactError(ArithmeticError):
    """A product could leave the 64-bit integers."""


def weight_integers(
    codes: np.ndarray,
    bits: int,
    *,
    group_size: int | None = None,
    zero_points: np.ndarray | int | None = None,
    group_scales: np.ndarray | None = None,
) -> np.ndarray:
    """``group_scale * (code - zero_point)`` as int64 ``[N, K]``.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
    bits : int
        Width of the codes. Without zero points, a code stands for itself less ``2**(bits-1)``;
        one-bit codes 0 and 1 then stand for -1 and +1.
    group_size : int, optional
        Inputs that share a zero point and a scale; the last group may be shorter.
    zero_points, group_scales : ndarray of integers, shape ``[N, ceil(K / group_size)]``, optional
    """
    k = codes.shape[1]
    group = np.arange(k) // (group_size or k)
    result = codes.astype(np.int64)
    if zero_points is not None:
        zeros = np.asarray(zero_points, np.int64)
        result -= zeros if zeros.ndim == 0 else zeros[:, group]
    elif bits == 1:
        result = 2 * result - 1
    else:
        result -= 1 << bits - 1
    if group_scales is not None:
        result *= np.asarray(group_scales, np.int64)[:, group]
    return result


def exact_matmul(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """``x @ w.T`` of integers, int64 ``[M, N]``.

    Floating point is used where every partial sum is an exact double: it is far faster.

    Raises
    ------
    InexactError
        ``K * max|x| * max|w|`` does not fit 63 bits.
    """
    if x.size == 0 or w.size == 0:
        return np.zeros((len(x), len(w)), np.int64)
    largest = x.shape[1] * _magnitude(x) * _magnitude(w)
    if largest < 1 << 53:
        return (x.astype(np.float64) @ w.astype(np.float64).T).astype(np.int64)
    if largest < 1 << 63:
        return x.astype(np.int64) @ w.astype(np.int64).T
    raise InexactError(f"a product of up to {largest} does not fit 64-bit integers")


def golden_product(
    x: np.ndarray,
    codes: np.ndarray,
    bits: int,
    *,
    group_size: int | None = None,
    zero_points: np.ndarray | int | None = None,
    group_scales: np.ndarray | None = None,
) -> np.ndarray:
    """``Y = X @ W.T`` in int64 ``[M, N]``, with the weights of `weight_integers`.

    Raises
    ------
    InexactError
        The product could leave the 64-bit integers.
    """
    weights = weight_integers(
        codes,
        bits,
        group_size=group_size,
        zero_points=zero_points,
        group_scales=group_scales,
    )
    return exact_matmul(x, weights)


def _magnitude(array: np.ndarray) -> int:
    return max(abs(int(array.min())), abs(int(array.max())))
