"""Matrices of one activation tensor as one matrix, so that they share its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..quantized_matrix import QuantizedMatrix

__all__ = ["stack", "stackable"]


def stackable(a: QuantizedMatrix, b: QuantizedMatrix) -> bool:
    """Whether two matrices of the same inputs can be rows of one."""
    mine, its = (
        (
            m.shape[1], m.bits, m.planes, m.offset, m.halve, m.group_width,
            m.row_scales is None, m.group_scales is None,
        )
        for m in (a, b)
    )  # fmt: skip
    return mine == its


def stack(matrices: Sequence[QuantizedMatrix]) -> QuantizedMatrix:
    """The rows of all `matrices`, which are `stackable`, below one another.

    Query, key and value projections read the same activations: as one matrix they take one load of
    them, and every table is built once for the outputs of all three.
    """
    first = matrices[0]
    if len(matrices) == 1:
        return first
    zeros: np.ndarray | int | None = first.zero_points
    if any(not _same(m.zero_points, zeros) for m in matrices):
        zeros = np.concatenate([_grid(m) for m in matrices])

    def below(name: str) -> np.ndarray | None:
        parts = [getattr(m, name) for m in matrices]
        return None if parts[0] is None else np.concatenate(parts)

    return replace(
        first,
        codes=np.concatenate([m.codes for m in matrices]),
        zero_points=zeros,
        group_scales=below("group_scales"),
        row_scales=below("row_scales"),
    )


def _same(a: np.ndarray | int | None, b: np.ndarray | int | None) -> bool:
    return not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray) and a == b


def _grid(matrix: QuantizedMatrix) -> np.ndarray:
    zeros = matrix.zero_points
    if isinstance(zeros, np.ndarray):
        return zeros
    return np.full((matrix.rows, matrix.groups), zeros or 0, np.int64)
