"""Which K blocks a product needs: those in which neither weights nor activations are all zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .matrix_layout import MatrixLayout
from .packed_codes import row_slices
from .packing import pad_groups
from .quantized_matrix import QuantizedMatrix

__all__ = ["UsedBlocks", "used_activations", "used_weights"]


@dataclass(frozen=True, eq=False, kw_only=True)
class UsedBlocks:
    """Blocks of weights and of activations that are not all zero.

    A K block adds ``scale * sum_k w x`` to the partial sums: nothing where all its weights for a
    tile's outputs, or all its activations for a tile's rows, are 0. A schedule leaves it out.

    Attributes
    ----------
    weights : ndarray of bool, shape ``[k_blocks, n_blocks]``, or None
        None where all are used.
    activations : ndarray of bool, shape ``[row_blocks, k_blocks]``, or None
    """

    weights: np.ndarray | None = None
    activations: np.ndarray | None = None

    def runs(self, rows: slice, outputs: slice, k: int, k_end: int) -> list[tuple[int, int]]:
        """Ranges of successive K blocks from `k` to `k_end` that a tile has to run.

        Parameters
        ----------
        rows, outputs : slice
            Row blocks and output blocks of the tile.
        k, k_end : int

        Returns
        -------
        list of (int, int)
            Begin and end of each; at least one block, for something has to clear partial sums.
        """
        used = np.ones(k_end - k, bool)
        if self.weights is not None:
            used &= self.weights[k:k_end, outputs].any(1)
        if self.activations is not None:
            used &= self.activations[rows, k:k_end].any(0)
        if used.all():
            return [(k, k_end)]
        if not used.any():
            return [(k, k + 1)]
        edges = np.flatnonzero(np.diff(np.concatenate(([0], used.view(np.int8), [0]))))
        return [(k + int(a), k + int(b)) for a, b in edges.reshape(-1, 2)]


def used_weights(weights: QuantizedMatrix, layout: MatrixLayout) -> np.ndarray | None:
    """Weight blocks ``[k_blocks, n_blocks]`` that are not all zero; None if none is.

    A weight is zero if its value is its zero point, or its group scale is 0.
    """
    n, k = weights.shape
    zeros, scales = weights.zero_points, weights.group_scales
    values = weights.code_values
    columns = np.empty((n, layout.k_blocks), bool)
    for rows in row_slices(weights.shape):
        if isinstance(zeros, np.ndarray):
            each = np.repeat(zeros[rows], weights.group_width, axis=1)[:, :k]
            used = values[weights.codes[rows]] != each
        else:
            used = (values != (zeros or 0))[weights.codes[rows]]
        if scales is not None and not scales[rows].all():
            used &= np.repeat(scales[rows] > 0, weights.group_width, axis=1)[:, :k]
        columns[rows] = pad_groups(used, layout).reshape(len(used), layout.k_blocks, -1).any(-1)
    blocks = np.logical_or.reduceat(columns, np.arange(0, n, layout.config.lanes), axis=0)
    return None if blocks.all() else np.ascontiguousarray(blocks.T)


def used_activations(x: np.ndarray, layout: MatrixLayout) -> np.ndarray | None:
    """Activation blocks ``[row_blocks, k_blocks]`` that are not all zero; None if none is."""
    columns = pad_groups(x != 0, layout).reshape(len(x), layout.k_blocks, -1).any(-1)
    blocks = np.logical_or.reduceat(columns, np.arange(0, len(x), layout.config.rows), axis=0)
    return None if blocks.all() else blocks
