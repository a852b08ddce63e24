"""Tensors of a model file, read when somebody asks: quantised matrices and plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .errors import DamagedFileError, UnsupportedTensorError
from .grouped_codes import GroupedCodes
from .mapped_file import element_count

__all__ = ["ImportedTensor", "PlainTensor", "row_slabs"]

#: Weights that are decoded at a time, and the share of a matrix that they are: what decoding needs
#: beside its result is some fifty bytes for each of them.
_LEAST, _MOST, _SHARE = 1 << 13, 1 << 17, 512


@dataclass(frozen=True, eq=False, kw_only=True)
class ImportedTensor:
    """A quantised matrix of a file; nothing of it is in memory yet.

    Parameters
    ----------
    name : str
    type : str
        The format's own name of the type, such as ``Q4_K`` or ``GPTQ``.
    shape : (int, int)
        ``[N, K]``: outputs and inputs, as in a Linear layer. Dimensions before the last are one.
    bits : int
        Width of a code.
    group_size : int
        Inputs that share a scale.
    nbytes : int
        What the tensor takes in the file, scales included.
    read_rows : callable
        The decoded rows ``first`` to ``last - 1``.
    turned : bool or None
        The file has ``[K, N]``; None where its format says how matrices lie.
    """

    name: str
    type: str
    shape: tuple[int, int]
    bits: int
    group_size: int
    nbytes: int
    read_rows: Callable[[int, int], GroupedCodes]
    turned: bool | None = None

    def __post_init__(self) -> None:
        if 0 in self.shape:
            raise DamagedFileError(
                f"tensor {self.name!r} must not be empty, but has shape {list(self.shape)}"
            )

    def read(self, rows: slice = slice(None)) -> GroupedCodes:
        """Codes and scales of `rows` as the file has them; the slice has no step.

        Raises
        ------
        DamagedFileError, UnsupportedTensorError
        """
        first, last, _ = rows.indices(self.shape[0])
        return self.read_rows(first, max(first, last))

    def dequantize(self, rows: slice = slice(None)) -> np.ndarray:
        """The weights of `rows` as float32: bit for bit those of the format's own library."""
        first, last, _ = rows.indices(self.shape[0])
        result = np.empty((max(0, last - first), self.shape[1]), np.float32)
        for slab in row_slabs(len(result), self.shape[1]):
            part = self.read_rows(first + slab.start, first + slab.stop)
            result[slab] = part.dequantize()
        return result


@dataclass(frozen=True, eq=False, kw_only=True)
class PlainTensor:
    """Numbers that are not quantised: float, or integers that are no weights.

    Parameters
    ----------
    name : str
    type : str
    shape : tuple of int
    nbytes : int
    read_array : callable
        The array: a read-only view of the file where NumPy has the type, else float32.
    refusal : str
        Why it is not read, though it is a matrix; empty of all others.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    nbytes: int
    read_array: Callable[[], np.ndarray]
    refusal: str = ""

    def __post_init__(self) -> None:
        element_count(self.shape, f"tensor {self.name!r}")

    def read(self) -> np.ndarray:
        """The array.

        Raises
        ------
        DamagedFileError, UnsupportedTensorError
        """
        if self.refusal:
            raise UnsupportedTensorError(self.refusal)
        return self.read_array()


def row_slabs(rows: int, width: int) -> Iterator[slice]:
    """Slices of rows that together are all of them, each of a bounded number of elements."""
    slab = min(max(rows * width // _SHARE, _LEAST), _MOST)
    step = max(1, slab // max(width, 1))
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))
