"""Rows of different widths in one matrix: important outputs in more bits than the rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import DtypeError, RangeError, ShapeError
from ..quantize import quantize_rtn
from ..quantized_matrix import QuantizedMatrix
from .composite import CompositeMatrix, Part
from .encoded import Encoded, compare

__all__ = ["from_rows", "quantize_mixed"]


def from_rows(parts: Mapping[int, tuple[np.ndarray, QuantizedMatrix]]) -> CompositeMatrix:
    """Outputs of several widths as one matrix: a product each, stitched together.

    Parameters
    ----------
    parts : mapping
        By any key, for example the width: the outputs ``[n]``, and their weights ``[n, K]``.
        Together each output 0 .. N - 1 once.

    Raises
    ------
    ShapeError, RangeError
        Inputs differ, or outputs are missing or named twice.
    """
    if not parts:
        raise ShapeError("parts must be at least one")
    rows = np.concatenate([rows for rows, _ in parts.values()])
    if not np.array_equal(np.sort(rows), np.arange(len(rows))):
        raise RangeError(f"rows must name each of {len(rows)} outputs once")
    widths = {matrix.shape[1] for _, matrix in parts.values()}
    if len(widths) > 1:
        raise ShapeError(f"parts must have the same inputs, not {sorted(widths)}")
    return CompositeMatrix(
        (len(rows), widths.pop()),
        [Part(matrix=matrix, rows=rows) for rows, matrix in parts.values()],
    )


def quantize_mixed(
    weights: np.ndarray,
    widths: np.ndarray,
    *,
    group_size: int | None = None,
    symmetric: bool = True,
) -> Encoded[CompositeMatrix]:
    """Round to nearest with a width for every output.

    The outputs of each width are a product of their own; blocks of `Config.lanes` outputs are what
    the array computes at a time, so that a multiple of that many outputs a width wastes nothing.
    Matrices of different widths in one model need none of this: each `QuantizedMatrix` brings its
    own planes.

    Parameters
    ----------
    weights : ndarray of floats, shape ``[N, K]``
    widths : ndarray of integers, shape ``[N]``
        1 to 8.
    group_size, symmetric
        As in `lutra.host.quantize.quantize_rtn`.
    """
    widths = np.asarray(widths)
    if not np.issubdtype(widths.dtype, np.integer):
        raise DtypeError(f"widths must be integers, not {widths.dtype}")
    if widths.shape != (len(weights),):
        raise ShapeError(f"widths must have shape {(len(weights),)}, not {widths.shape}")
    parts = {}
    for bits in sorted({int(bits) for bits in widths}, reverse=True):
        rows = np.flatnonzero(widths == bits)
        matrix = quantize_rtn(weights[rows], bits, group_size=group_size, symmetric=symmetric)
        parts[bits] = rows, matrix
    return compare(from_rows(parts), weights)
