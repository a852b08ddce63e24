"""Scales and zero points of an ONNX weight, per output or per group of inputs."""

from __future__ import annotations

import numpy as np

from .errors import UnsupportedTensorError
from .onnx_array import OnnxArray

__all__ = ["RowGrid", "output_axis"]


def output_axis(shape: tuple[int, ...], transposed: bool) -> int:
    """Axis of the outputs: the last of ``[K, N]``, the first of ``[N, ...]``."""
    return len(shape) - 1 if transposed else 0


class RowGrid:
    """Values per (output, group) of a weight, whatever axes the file has them along.

    Parameters
    ----------
    array : OnnxArray
        One value; one per output, in one dimension or in as many as the weight has; or the weight's
        two dimensions, with one value for `block` inputs.
    shape : tuple of int
        Of the weight in the file.
    transposed : bool
        The file has ``[K, N]``.
    axis : int
        What values of one dimension are along; negative ones count from the end.
    block : int
        0 where values are not blocked.

    Raises
    ------
    UnsupportedTensorError
        The values vary in another way.
    """

    def __init__(
        self,
        array: OnnxArray,
        shape: tuple[int, ...],
        *,
        transposed: bool,
        axis: int = 0,
        block: int = 0,
    ) -> None:
        rank, outputs = len(shape), output_axis(shape, transposed)
        self._n = shape[outputs]
        self._array, self._transposed = array, transposed
        axis = axis + rank if axis < 0 else axis
        found = array.shape
        inputs = 1 - outputs
        per_output = [1] * rank
        per_output[outputs] = self._n
        if block > 0 and rank == 2 and axis == inputs:
            groups = -(-shape[inputs] // block)
            wanted = (groups, self._n) if transposed else (self._n, groups)
            fits, self._kind = found == wanted, "groups"
        elif block > 0:
            fits, self._kind = False, "groups"
        elif all(extent == 1 for extent in found):
            fits, self._kind = True, "one"
        else:
            fits = (len(found) == 1 and axis == outputs and found[0] == self._n) or (
                found == tuple(per_output)
            )
            self._kind = "outputs"
        if not fits:
            raise UnsupportedTensorError(
                f"tensor {array.name!r} must have one value, one for each of {self._n} outputs, or "
                f"one for each block of inputs, not shape {list(found)} along axis {axis}"
            )

    def rows(self, first: int, last: int) -> np.ndarray:
        """Values of outputs `first` to `last`: ``[n, G]``, G = 1 where they are not blocked."""
        if self._kind == "one":
            return np.repeat(self._array.read().reshape(1, 1), last - first, axis=0)
        if self._kind == "outputs":
            return self._array.read().reshape(-1, 1)[first:last]
        if self._transposed:
            return self._array.columns(first, last).T
        return self._array.rows(first, last)
