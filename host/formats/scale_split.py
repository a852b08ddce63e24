"""Group scales wider than the accelerator's, as several products with narrow ones: exact."""

from __future__ import annotations

import numpy as np

from ..errors import RangeError
from ..quantized_matrix import QuantizedMatrix
from .composite import CompositeMatrix, Part

__all__ = ["split_group_scales"]


def split_group_scales(matrix: QuantizedMatrix, *, scale_bits: int = 8) -> CompositeMatrix:
    """The same weights with scales of `scale_bits`, one product for every digit of the scales.

    An integer scale of any width is ``sum_j 2**(j * scale_bits) digit_j``, so that

        X W.T = sum_j 2**(j * scale_bits) X (digit_j * values).T

    exactly. Digits that are zero everywhere cost nothing. MXFP4 whose powers of two are far apart
    takes as many products as windows of `scale_bits` binades are used; NVFP4 at most three.

    Parameters
    ----------
    matrix : QuantizedMatrix
        With group scales up to 32 bits.
    scale_bits : int
        As in `Config`, at least 1.

    Raises
    ------
    RangeError
        `scale_bits` is below 1.
    """
    if scale_bits < 1:
        raise RangeError(f"scale_bits must be at least 1, not {scale_bits}")
    if matrix.group_scales is None:
        return CompositeMatrix(matrix.shape, [Part(matrix=matrix)])
    rest = matrix.group_scales.astype(np.uint32)
    scale_bits = min(scale_bits, 32)
    parts, exponent = [], 0
    while not parts or rest.any():
        digits = rest & (1 << scale_bits) - 1
        rest = rest >> scale_bits if scale_bits < 32 else np.zeros_like(rest)
        if digits.any() or not (parts or rest.any()):
            part = _with_scales(matrix, digits)
            parts.append(Part(matrix=part, exponent=exponent))
        exponent += scale_bits
    return CompositeMatrix(matrix.shape, parts)


def _with_scales(matrix: QuantizedMatrix, scales: np.ndarray) -> QuantizedMatrix:
    return QuantizedMatrix(
        codes=matrix.codes,
        bits=matrix.bits,
        planes=matrix.planes,
        offset=matrix.offset,
        halve=matrix.halve,
        group_size=matrix.group_size,
        zero_points=matrix.zero_points,
        group_scales=scales,
        row_scales=matrix.row_scales,
    )
