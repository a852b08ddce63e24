"""OliVe's outlier-victim pairs: four-bit codes whose outliers take their neighbour's place."""

from __future__ import annotations

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError
from ..quantized_matrix import QuantizedMatrix
from .codebook import from_codebook

__all__ = ["from_olive", "olive_integers"]

#: The code that marks a victim: the -8 that symmetric four-bit integers do not use.
_VICTIM = 8


def olive_integers(codes: np.ndarray, *, bias: int = 2) -> np.ndarray:
    """Integers of outlier-victim pairs.

    Inputs 2 j and 2 j + 1 are a pair. Where neither code is 8, both are four-bit integers -7 .. 7.
    Where one is 8, it is the victim and means 0, and the other is an outlier in four-bit abfloat: a
    sign, two bits of exponent e and one of mantissa m, ``(-1)**s (2 + m) << (e + bias)``: 12, 16,
    24, 32, 48, 64, 96 for bias 2, which begin above the integers (e = m = 0 is not used and means
    0).

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[N, K]``
        Below 16; K even.
    bias : int
        0 to 3.

    Returns
    -------
    ndarray of int16, shape ``[N, K]``

    Raises
    ------
    DtypeError, ShapeError, RangeError
        Among them: both codes of a pair are victims.

    Source: Guo et al., *OliVe: Accelerating Large Language Models via Hardware-friendly
    Outlier-Victim Pair Quantization*, ISCA 2023, arXiv:2304.07493.
    """
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8:
        found = codes.dtype if isinstance(codes, np.ndarray) else type(codes).__name__
        raise DtypeError(f"codes must be a uint8 array, not {found}")
    if codes.ndim != 2 or 0 in codes.shape or codes.shape[1] % 2:
        raise ShapeError(f"codes must have shape [N, K], K even, not {codes.shape}")
    if int(codes.max()) > 15:
        raise RangeError(f"codes must be below 16, not {int(codes.max())}")
    if not 0 <= bias <= 3:
        raise RangeError(f"bias must be from 0 to 3, not {bias}")
    pairs = codes.reshape(len(codes), -1, 2)
    victims = pairs == _VICTIM
    if victims.all(-1).any():
        raise RangeError("codes must not be 8 (the victim's) twice in a pair")
    code = np.arange(16)
    integers = (code - (code >> 3 << 4)).astype(np.int16)
    magnitude = np.where(code & 7, (2 + (code & 1)) << ((code >> 1 & 3) + bias), 0)
    outliers = np.where(code >> 3, -magnitude, magnitude).astype(np.int16)
    values = np.where(victims[..., ::-1], outliers[pairs], integers[pairs])
    return np.where(victims, 0, values).astype(np.int16).reshape(codes.shape)


def from_olive(
    codes: np.ndarray,
    *,
    bias: int = 2,
    group_size: int | None = None,
    group_scales: np.ndarray | None = None,
    row_scales: np.ndarray | None = None,
) -> QuantizedMatrix:
    """OliVe's weights as planes, exactly: eight of them with outliers to 96, fewer without.

    With few outlier columns, four planes and `lutra.host.formats.outliers` cost less.

    Parameters
    ----------
    codes, bias
        As in `olive_integers`.
    group_size, group_scales, row_scales
        As in `QuantizedMatrix`.
    """
    integers = olive_integers(codes, bias=bias)
    values, found = np.unique(integers, return_inverse=True)
    return from_codebook(
        found.reshape(codes.shape).astype(np.uint8),
        values,
        group_size=group_size,
        group_scales=group_scales,
        row_scales=row_scales,
    )
