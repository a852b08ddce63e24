"""Codes in memory as a file has them: several in a byte, unpacked by rows when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .errors import DtypeError, RangeError, ShapeError

__all__ = ["PackedCodes", "row_slices"]

#: Elements that are unpacked at a time where all of them are looked at.
_SLAB = 1 << 18


class PackedCodes(NDArrayOperatorsMixin):
    """Codes ``[N, K]`` of 1 to 8 bits in fields of 1, 2, 4 or 8; zeros to begin with.

    It reads as a uint8 array: ``codes[rows]`` unpacks these rows, and ``np.asarray``, operators and
    ufuncs all of them. ``codes[rows] = values`` packs. A code's field is the smallest that holds
    it, lowest bits first, and every row begins with a byte of its own.

    Parameters
    ----------
    shape : (int, int)
        N and K, both at least 1.
    bits : int
        Width of a code, 1 to 8.

    Raises
    ------
    ShapeError, RangeError

    Examples
    --------
    >>> codes = PackedCodes((2, 5), 2)
    >>> codes[:] = np.array([[0, 1, 2, 3, 0], [3, 3, 3, 3, 3]], np.uint8)
    >>> codes[0], codes.nbytes
    (array([0, 1, 2, 3, 0], dtype=uint8), 4)
    """

    dtype = np.dtype(np.uint8)
    ndim = 2

    def __init__(self, shape: tuple[int, int], bits: int) -> None:
        if len(shape) != 2 or min(shape) < 1:
            raise ShapeError(f"codes must have shape [N, K], N and K at least 1, not {shape}")
        if not 1 <= bits <= 8:
            raise RangeError(f"bits must be from 1 to 8, not {bits}")
        self._shape, self._bits = (int(shape[0]), int(shape[1])), bits
        self._field = 1 << (bits - 1).bit_length()
        self._packed = np.zeros((self._shape[0], -(-self._shape[1] * self._field // 8)), np.uint8)

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``."""
        return self._shape

    @property
    def size(self) -> int:
        """Number of codes."""
        return self._shape[0] * self._shape[1]

    @property
    def bits(self) -> int:
        """Width of a code: all are below ``2**bits``."""
        return self._bits

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self._packed.nbytes

    def max(self) -> int:
        """The largest code."""
        return max(int(self[rows].max()) for rows in row_slices(self._shape))

    def __len__(self) -> int:
        return self._shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, tuple):
            return np.asarray(self)[index]
        packed = self._packed[index]
        if self._field == 8:
            return packed
        # A table of a byte's codes, as one number of as many bytes.
        codes = _TABLES[self._field][packed].view(np.uint8)
        return codes[..., : self._shape[1]]

    def __setitem__(self, rows: slice, codes: np.ndarray) -> None:
        if codes.dtype != np.uint8:
            raise DtypeError(f"codes must be a uint8 array, not {codes.dtype}")
        if codes.ndim != 2 or codes.shape[1] != self._shape[1]:
            raise ShapeError(f"codes must have shape [n, {self._shape[1]}], not {codes.shape}")
        if self._bits < 8 and codes.size and int(codes.max()) >= 1 << self._bits:
            raise RangeError(f"codes must be below {1 << self._bits}, not {int(codes.max())}")
        if self._field == 8:
            self._packed[rows] = codes
            return
        share = 8 // self._field
        packed = np.zeros((len(codes), self._packed.shape[1]), np.uint8)
        for i in range(share):
            part = codes[:, i::share]
            packed[:, : part.shape[1]] |= part << np.uint8(i * self._field)
        self._packed[rows] = packed

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        codes = self[:]
        if copy and self._field == 8:
            codes = codes.copy()
        return codes if dtype is None else codes.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, PackedCodes) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __repr__(self) -> str:
        n, k = self._shape
        return f"PackedCodes({n} x {k}, {self._bits} bits)"


def row_slices(shape: tuple[int, int], elements: int = _SLAB) -> Iterator[slice]:
    """Slices of rows that together are all of them, each of about `elements` elements."""
    step = max(1, elements // max(1, shape[1]))
    for first in range(0, shape[0], step):
        yield slice(first, min(first + step, shape[0]))


def _table(field: int) -> np.ndarray:
    """The codes of every byte, as little-endian numbers of ``8 / field`` bytes."""
    shifts = np.arange(0, 8, field, dtype=np.uint8)
    codes = np.arange(256, dtype=np.uint8)[:, None] >> shifts & np.uint8((1 << field) - 1)
    return codes.view(f"u{8 // field}")[:, 0]


_TABLES = {field: _table(field) for field in (1, 2, 4)}
