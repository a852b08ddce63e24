"""Turn weights into the integers that are stored and multiplied.

Ternary: ``s = mean |W|``, ``C = clip(round(W / s), -1, 1)``, ``W ~ s C`` (absmean, Ma et al.
2024, equations 1 to 3).  Eight-bit: ``s_n = max_k |W_nk| / 127``, ``C = round(W / s)``.
Activations: the eight-bit rule with one scale per token.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import LutraError
from .architecture import SCALE_FLOOR

__all__ = ["TernaryMatrix", "TernaryRangeError", "quantise_rows", "ternarise"]


class TernaryRangeError(LutraError, ValueError):
    """Weights that have no ternary form: not finite, or too small for a half-precision scale."""


@dataclass(frozen=True, slots=True, eq=False)
class TernaryMatrix:
    """Weights ``scale * codes``.

    Parameters
    ----------
    codes : ndarray of int8, shape (N, K)
        -1, 0 or 1.
    scale : float
        Positive; exactly representable in half precision, as the file stores it.
    """

    codes: NDArray[np.int8]
    scale: float

    def __post_init__(self) -> None:
        if self.codes.dtype != np.int8 or self.codes.ndim != 2:
            raise TernaryRangeError(
                f"codes are {self.codes.dtype} of {self.codes.ndim} dimensions; int8 of 2 expected"
            )
        if self.codes.size and not -1 <= int(self.codes.min()) <= int(self.codes.max()) <= 1:
            raise TernaryRangeError("codes outside -1 ... 1")
        if not 0.0 < self.scale < np.inf or float(np.float16(self.scale)) != self.scale:
            raise TernaryRangeError(f"scale {self.scale!r} is not a positive half-precision number")


def ternarise(weights: NDArray[np.floating]) -> TernaryMatrix:
    """Return the absmean ternary form of ``weights [N, K]``.

    The codes follow from the exact scale; the kept scale is its nearest half-precision number.

    Raises
    ------
    TernaryRangeError
        If a weight is not finite or the scale is outside half precision's normal range.
    """
    if not np.isfinite(weights).all():
        raise TernaryRangeError("the weights hold a value that is not finite")
    scale = max(float(np.abs(weights).mean(dtype=np.float64)), SCALE_FLOOR)
    half = np.finfo(np.float16)
    if not float(half.tiny) <= scale <= float(half.max):
        raise TernaryRangeError(
            f"mean magnitude {scale:g} is outside {float(half.tiny):g} ... {float(half.max):g}"
        )
    codes = np.clip(np.rint(weights / np.float32(scale)), -1, 1).astype(np.int8)
    return TernaryMatrix(codes, float(np.float16(scale)))


def quantise_rows(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 codes and one scale per row, ``values ~ scales[:, None] * codes``.

    Parameters
    ----------
    values : ndarray of float32, shape (M, K)

    Returns
    -------
    codes : ndarray of int8, shape (M, K)
        -127 ... 127, rounded half to even.
    scales : ndarray of float32, shape (M,)
    """
    largest = np.abs(values).max(axis=-1)
    scales = np.maximum(largest, np.float32(SCALE_FLOOR)) / np.float32(127.0)
    return np.rint(values / scales[:, None]).astype(np.int8), scales
