"""A weight matrix cut into parts for several accelerators: by outputs or by inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from ..hw.config import Config
from .errors import RangeError
from .quantized_matrix import QuantizedMatrix

__all__ = ["Part", "SplitAxis", "split_matrix"]

SplitAxis = Literal["outputs", "inputs"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """What one accelerator has of a matrix.

    Attributes
    ----------
    outputs, inputs : slice
        Rows and columns of the whole matrix.
    weights : QuantizedMatrix
        ``W[outputs, inputs]``; without row scales where inputs are split, since these apply to
        the sum of the parts.
    """

    outputs: slice
    inputs: slice
    weights: QuantizedMatrix


def split_matrix(
    weights: QuantizedMatrix, parts: int, config: Config, *, axis: SplitAxis
) -> list[Part]:
    """Parts that are as equal as blocks allow, fewer where there are not that many blocks.

    Outputs are cut between blocks of `Config.lanes`, inputs between quantisation groups or, where
    a row is one group, K blocks.

    Raises
    ------
    RangeError
        `parts` or `axis` is none that there is.
    """
    if parts < 1:
        raise RangeError(f"parts must be at least 1, not {parts}")
    if axis == "outputs":
        edges = _edges(weights.rows, config.lanes, parts)
        return [_outputs(weights, slice(a, b)) for a, b in edges]
    if axis == "inputs":
        unit = weights.group_width if weights.groups > 1 else config.k_block
        edges = _edges(weights.shape[1], unit, parts)
        return [_inputs(weights, slice(a, b)) for a, b in edges]
    raise RangeError(f"axis must be 'outputs' or 'inputs', not {axis!r}")


def _edges(size: int, unit: int, parts: int) -> list[tuple[int, int]]:
    blocks = -(-size // unit)
    parts = min(parts, blocks)
    cuts = [min(size, blocks * i // parts * unit) for i in range(parts + 1)]
    return list(pairwise(cuts))


def _outputs(weights: QuantizedMatrix, rows: slice) -> Part:
    def cut(array: np.ndarray | int | None) -> np.ndarray | int | None:
        return array[rows] if isinstance(array, np.ndarray) else array

    part = replace(
        weights,
        codes=weights.codes[rows],
        zero_points=cut(weights.zero_points),
        group_scales=cut(weights.group_scales),
        row_scales=cut(weights.row_scales),
    )
    return Part(outputs=rows, inputs=slice(0, weights.shape[1]), weights=part)


def _inputs(weights: QuantizedMatrix, columns: slice) -> Part:
    groups = slice(0, 1)
    if weights.groups > 1:
        width = weights.group_width
        groups = slice(columns.start // width, -(-columns.stop // width))

    def cut(array: np.ndarray | int | None) -> np.ndarray | int | None:
        return array[:, groups] if isinstance(array, np.ndarray) else array

    part = replace(
        weights,
        codes=np.ascontiguousarray(weights.codes[:, columns]),
        zero_points=cut(weights.zero_points),
        group_scales=cut(weights.group_scales),
        row_scales=None,
    )
    return Part(outputs=slice(0, weights.rows), inputs=columns, weights=part)
