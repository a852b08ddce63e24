"""Weights as the file has them: codes, and float32 scales, zero points and biases per group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["GroupedCodes", "widened"]


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupedCodes:
    """Rows of a quantised matrix, decoded but not rounded: what every importer gives.

    With the group ``g`` of an input, in float32 and in this order,

        weight = scale[n, g] * (code - zero[n, g]) + bias[n, g]

    which is, operation by operation, what the libraries of all formats here compute: their results
    are the same to the last bit.

    Parameters
    ----------
    codes : ndarray of uint8, shape ``[n, K]``
    bits : int
        Width of a code, 1 to 8.
    group_size : int
        Inputs that share a scale; the last group may be shorter.
    scales : ndarray of float32, shape ``[n, G]``
        Of any sign.
    zeros : ndarray of float32, shape ``[n, G]``, or float
        Integers in most formats. One-bit codes that mean -1 and +1 have the zero point 1/2.
    biases : ndarray of float32, shape ``[n, G]``, or None
        None means 0.
    columns : ndarray of integers, shape ``[K]``, or None
        Input of each column of codes, where the file's groups are not runs of inputs.
    rounding : dtype or None
        Type that the format rounds its weights to, where that is not float32.
    """

    codes: np.ndarray
    bits: int
    group_size: int
    scales: np.ndarray
    zeros: np.ndarray | float
    biases: np.ndarray | None = None
    columns: np.ndarray | None = None
    rounding: np.dtype | None = None

    @property
    def groups(self) -> int:
        """Groups of a row."""
        return self.scales.shape[1]

    def grouped(self, values: np.ndarray) -> np.ndarray:
        """`values` ``[n, K]`` as ``[n, G, group_size]``: a view, or a padded copy."""
        n, k = values.shape
        padding = self.groups * self.group_size - k
        if padding:
            values = np.pad(values, ((0, 0), (0, padding)))
        return values.reshape(n, self.groups, self.group_size)

    def ungrouped(self, values: np.ndarray) -> np.ndarray:
        """The inverse of `grouped`."""
        n, k = self.codes.shape
        return values.reshape(n, -1)[:, :k]

    def scattered(self, values: np.ndarray) -> np.ndarray:
        """`values` of the columns ``[n, K]`` in the order of the inputs."""
        if self.columns is None:
            return values
        result = np.empty_like(values)
        result[:, self.columns] = values
        return result

    def dequantize(self) -> np.ndarray:
        """The weights as float32 ``[n, K]``, bit for bit those of the format's library."""
        result = self.grouped(self.codes).astype(np.float32)
        # Damaged scales may be anything; so may what comes of them.
        with np.errstate(all="ignore"):
            result -= _of_groups(self.zeros)
            result *= _of_groups(self.scales)
            if self.biases is not None:
                result += _of_groups(self.biases)
            if self.rounding is not None:
                result = result.astype(self.rounding).astype(np.float32)
        return self.scattered(self.ungrouped(result))


def widened(values: np.ndarray) -> np.ndarray:
    """`values` as float32 in one piece; those of a damaged file may be no numbers."""
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(values, np.float32)


def _of_groups(values: np.ndarray | float) -> np.ndarray:
    array = np.asarray(values, np.float32)
    return array[:, :, None] if array.ndim else array
