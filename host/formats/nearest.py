"""Real weights as the nearest values that planes and group scales can represent."""

from __future__ import annotations

import numpy as np

from ..errors import RangeError, ShapeError
from ..quantized_matrix import QuantizedMatrix
from .encoded import Encoded, compare
from .group_scales import GroupScales
from .plane_search import PlaneSet

__all__ = ["encode_nearest", "nearest_index", "per_input"]

#: Weights that are encoded at a time.
_SLAB = 1 << 22


def encode_nearest(
    weights: np.ndarray,
    chosen: PlaneSet,
    scales: GroupScales,
    *,
    group_size: int | None,
    zero_points: np.ndarray | None = None,
) -> Encoded:
    """Every weight as the value nearest to ``weight / (group_scale * row_scale)``.

    Weights that are such values come out exactly: all that a format asks for where its scales
    are exact. Elsewhere no weight is off by more than half the distance of two values, times its
    scale, but for those beyond the ends.

    Parameters
    ----------
    weights : ndarray of float64, shape ``[N, K]``
        What the format stands for.
    chosen : PlaneSet
        Planes of the result.
    scales : GroupScales
        ``[N, G]``; a group of scale 0 becomes zeros.
    group_size : int or None
    zero_points : ndarray of integers, shape ``[N, G]``, optional
        Taken off the planes' values.

    Returns
    -------
    Encoded
        The matrix, and its error against `weights`.
    """
    n, k = weights.shape
    values = chosen.values
    order = np.argsort(values, kind="stable")
    codes = np.empty((n, k), np.uint8)
    step = max(1, _SLAB // k)
    for first in range(0, n, step):
        rows = slice(first, min(first + step, n))
        unit = scales.integers[rows] * scales.row[rows].astype(np.float64)[:, None]
        unit = per_input(np.where(unit > 0, unit, 1.0), group_size, k)
        wanted = weights[rows] / unit
        if zero_points is not None:
            wanted += per_input(zero_points[rows], group_size, k)
        codes[rows] = order[nearest_index(wanted, values[order])]
    scalar = scales.integers.shape[1] == 1 and (scales.integers == 1).all()
    matrix = QuantizedMatrix(
        codes=codes,
        bits=chosen.bits,
        planes=chosen.planes,
        offset=chosen.offset,
        halve=chosen.halve,
        group_size=group_size,
        zero_points=zero_points,
        group_scales=None if scalar else scales.integers,
        row_scales=scales.row,
    )
    return compare(matrix, weights)


def nearest_index(wanted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Index of the entry of `values`, rising, nearest to each of `wanted`; the lower of two."""
    middles = (values[1:] + values[:-1]) / 2.0
    return np.searchsorted(middles, wanted, side="left")


def per_input(grid: np.ndarray, group_size: int | None, k: int) -> np.ndarray:
    """Values per (output, group) as values per (output, input): ``[N, G]`` to ``[N, K]``.

    Raises
    ------
    ShapeError
        There are not ``ceil(k / group_size)`` groups.
    RangeError
        `group_size` is below 1.
    """
    if group_size is not None and group_size < 1:
        raise RangeError(f"group_size must be at least 1, not {group_size}")
    width = k if group_size is None else min(group_size, k)
    groups = -(-k // width)
    if grid.ndim != 2 or grid.shape[1] != groups:
        raise ShapeError(f"values per group must have shape [N, {groups}], not {grid.shape}")
    return np.repeat(grid, width, axis=1)[:, :k]
