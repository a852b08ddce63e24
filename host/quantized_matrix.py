"""Quantised weights in one format-independent form: codes, bit planes, zero points, scales."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..hw.isa import MAX_PLANES
from .errors import DtypeError, RangeError, ShapeError
from .packed_codes import PackedCodes, row_slices

__all__ = ["Plane", "QuantizedMatrix"]


class Plane(NamedTuple):
    """One bit plane: ``sign * 2**exponent * (+1 if the code's bit is set else -1)``."""

    bit: int
    exponent: int
    negative: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedMatrix:
    """Weights ``[N, K]`` as codes, and what the codes mean.

    With the planes ``p`` and the code's bits ``b_p``, a code stands for the integer

        value = (sum_p sign_p 2**e_p (2 b_p - 1) + offset) / (2 if halve else 1)

    and the weight is ``row_scale[n] * group_scale[n, g] * (value - zero_point[n, g])``. Every
    format that is a sum of power-of-two planes fits: plain b-bit codes are the planes
    ``2**(b-1) .. 1`` with ``halve`` and ``offset = 2**b - 1``, which makes the value the code.
    The reinterpretation of a code's bits as +-1 is that of LUT Tensor Core (Mo et al., 2024).

    Parameters
    ----------
    codes : ndarray of uint8 or PackedCodes, shape ``[N, K]``
        Packed ones, as importers give them, read like an array: ``codes[rows]`` is one.
    bits : int
        Width of a code, 1 to 8.
    planes : tuple of Plane
        Most significant first: exponents never increase, the last is 0.
    offset : int
    halve : bool
    group_size : int or None
        Inputs that share a zero point and a group scale; None means the whole row. The last
        group may be shorter.
    zero_points : ndarray of integers, shape ``[N, G]``, int or None
        In ``[0, 2**bits - 1]``; None means 0. Kept in the smallest unsigned type, like the scales.
    group_scales : ndarray of integers, shape ``[N, G]``, or None
        Unsigned, up to 32 bits; None means 1.
    row_scales : ndarray of float32, shape ``[N]``, or None
        None means 1, and integer products.

    Raises
    ------
    DtypeError, ShapeError, RangeError
        The text names the field.

    See Also
    --------
    from_codes : the usual way to make one.
    """

    codes: np.ndarray | PackedCodes
    bits: int
    planes: tuple[Plane, ...]
    offset: int = 0
    halve: bool = False
    group_size: int | None = None
    zero_points: np.ndarray | int | None = None
    group_scales: np.ndarray | None = None
    row_scales: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check_codes(self.codes, self.bits)
        self._check_planes()
        size = self.group_size
        if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
            raise DtypeError(f"group_size must be an int or None, not {size!r}")
        if size is not None and size < 1:
            raise RangeError(f"group_size must be at least 1, not {size}")
        top = (1 << self.bits) - 1
        self._set("zero_points", self._grid("zero_points", self.zero_points, top))
        self._set("group_scales", self._grid("group_scales", self.group_scales, 2**32 - 1))
        if self.row_scales is not None:
            scales = np.asarray(self.row_scales)
            if not np.issubdtype(scales.dtype, np.floating):
                raise DtypeError(f"row_scales must be float32, not {scales.dtype}")
            if scales.shape != (self.rows,):
                raise ShapeError(f"row_scales must have shape {(self.rows,)}, not {scales.shape}")
            if not np.isfinite(scales).all():
                raise RangeError("row_scales must be finite")
            self._set("row_scales", np.ascontiguousarray(scales, np.float32))

    @classmethod
    def from_codes(
        cls,
        codes: np.ndarray | PackedCodes,
        bits: int,
        *,
        group_size: int | None = None,
        zero_points: np.ndarray | int | None = None,
        group_scales: np.ndarray | None = None,
        row_scales: np.ndarray | None = None,
    ) -> QuantizedMatrix:
        """Weights from plain codes: ``row_scale * group_scale * (code - zero_point)``.

        Parameters
        ----------
        codes : ndarray of uint8 or PackedCodes, shape ``[N, K]``
            Below ``2**bits``.
        bits : int
            1 to 8.
        group_size, zero_points, group_scales, row_scales
            As in the class. A missing zero point is ``2**(bits-1)``, except that one-bit
            codes 0 and 1 then mean -1 and +1. A zero point may be one integer for all.
        """
        _check_codes(codes, bits)
        bipolar = bits == 1 and zero_points is None
        return cls(
            codes=codes,
            bits=bits,
            planes=tuple(Plane(bit, bit) for bit in reversed(range(bits))),
            offset=0 if bipolar else (1 << bits) - 1,
            halve=not bipolar,
            group_size=group_size,
            zero_points=1 << bits - 1 if zero_points is None and not bipolar else zero_points,
            group_scales=group_scales,
            row_scales=row_scales,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``: outputs and inputs."""
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def rows(self) -> int:
        """Outputs, ``N``."""
        return self.codes.shape[0]

    @property
    def group_width(self) -> int:
        """Inputs of one group, ``K`` where there is only one."""
        return self.shape[1] if self.group_size is None else min(self.group_size, self.shape[1])

    @property
    def groups(self) -> int:
        """Groups of a row, ``G = ceil(K / group_size)``."""
        return -(-self.shape[1] // self.group_width)

    @property
    def code_values(self) -> np.ndarray:
        """Integer that each code stands for, zero point not taken off: int32 ``[2**bits]``."""
        code = np.arange(1 << self.bits)
        total = np.full(1 << self.bits, self.offset, np.int64)
        for plane in self.planes:
            term = (2 * (code >> plane.bit & 1) - 1) << plane.exponent
            total += -term if plane.negative else term
        return (total >> int(self.halve)).astype(np.int32)

    def integers(self, rows: slice = slice(None)) -> np.ndarray:
        """``group_scale * (value - zero_point)`` of `rows`, int64 ``[n, K]``: exact."""
        result = self.code_values.astype(np.int64)[self.codes[rows]]
        if self.zero_points is not None:
            result -= self._per_input(self.zero_points, rows)
        if self.group_scales is not None:
            result *= self._per_input(self.group_scales, rows)
        return result

    def dequantize(self) -> np.ndarray:
        """The weights as float32 ``[N, K]``."""
        result = np.empty(self.shape, np.float32)
        for rows in row_slices(self.shape):
            result[rows] = self.integers(rows)
        if self.row_scales is not None:
            result *= self.row_scales[:, None]
        return result

    def present(self) -> np.ndarray:
        """Which codes occur: bool ``[2**bits]``."""
        found = np.zeros(1 << self.bits, bool)
        for rows in row_slices(self.shape):
            found[self.codes[rows]] = True
        return found

    def _per_input(self, grid: np.ndarray | int, rows: slice) -> np.ndarray:
        if isinstance(grid, int):
            return np.asarray(grid)
        return np.repeat(grid[rows], self.group_width, axis=1)[:, : self.shape[1]]

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_planes(self) -> None:
        planes = self.planes
        if not 1 <= len(planes) <= MAX_PLANES:
            raise RangeError(f"planes must be 1 to {MAX_PLANES}, not {len(planes)}")
        exponents = [plane.exponent for plane in planes]
        if exponents[-1] != 0 or any(b > a for a, b in pairwise(exponents)):
            raise RangeError(f"planes must have falling exponents down to 0, not {exponents}")
        for plane in planes:
            if not 0 <= plane.bit < self.bits:
                raise RangeError(f"planes must take bits below {self.bits}, not {plane.bit}")
        odd = sum(exponent == 0 for exponent in exponents) + self.offset & 1
        if self.halve and odd:
            raise RangeError(f"offset must make every value even to be halved, not {self.offset}")

    def _grid(self, name: str, grid: np.ndarray | int | None, top: int) -> np.ndarray | int | None:
        """Check a per-(output, group) array: integers, shape ``[N, G]``, in ``[0, top]``."""
        if grid is None:
            return None
        if isinstance(grid, (int, np.integer)) and not isinstance(grid, bool):
            if not 0 <= grid <= top:
                raise RangeError(f"{name} must be from 0 to {top}, not {grid}")
            return int(grid)
        array = np.asarray(grid)
        if not np.issubdtype(array.dtype, np.integer):
            raise DtypeError(f"{name} must be integers, not {array.dtype}")
        wanted = (self.rows, self.groups)
        if array.shape != wanted:
            raise ShapeError(f"{name} must have shape {wanted}, not {array.shape}")
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > top:
            raise RangeError(f"{name} must be from 0 to {top}, not {low if low < 0 else high}")
        return np.ascontiguousarray(array, np.min_scalar_type(high))


def _check_codes(codes: np.ndarray | PackedCodes, bits: int) -> None:
    if not isinstance(bits, int) or isinstance(bits, bool):
        raise DtypeError(f"bits must be an int, not {bits!r}")
    if not 1 <= bits <= 8:
        raise RangeError(f"bits must be from 1 to 8, not {bits}")
    if isinstance(codes, PackedCodes):
        if codes.bits > bits and codes.max() >= 1 << bits:
            raise RangeError(f"codes must be below {1 << bits}, not {codes.max()}")
        return
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8:
        found = codes.dtype if isinstance(codes, np.ndarray) else type(codes).__name__
        raise DtypeError(f"codes must be a uint8 array, not {found}")
    if codes.ndim != 2 or 0 in codes.shape:
        raise ShapeError(f"codes must have shape [N, K], N and K at least 1, not {codes.shape}")
    if bits < 8 and int(codes.max()) >= 1 << bits:
        raise RangeError(f"codes must be below {1 << bits}, not {int(codes.max())}")
