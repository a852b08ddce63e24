"""Rows of float scales, zero points and biases as the integers of a `QuantizedMatrix`."""

from __future__ import annotations

import numpy as np

from ..errors import RangeError
from ..formats.group_scales import exact_scales, integer_scales
from ..packed_codes import PackedCodes
from ..quantized_matrix import Plane, QuantizedMatrix
from .errors import DamagedFileError
from .grouped_codes import GroupedCodes

__all__ = ["BiasRows", "CodeRows"]

_WIDEST = 32  # bits of a group scale of `QuantizedMatrix`
_MOST_TRIED = 1024  # scales a row, in the search for its unit: with many groups it gains little
_ALMOST = 2.0**-13  # share of a step that is taken for none
_NOISE = 2.0**-22  # share of a bias that is but the rounding of float32


class _ScaledRows:
    """Integer scales per group and a float32 per row, filled in slab by slab."""

    def __init__(self, name: str, rows: int, *, scale_bits: int, exact: bool) -> None:
        if not 1 <= scale_bits <= 16:
            raise RangeError(f"scale_bits must be from 1 to 16, not {scale_bits}")
        self._name, self._scale_bits, self._exact = name, scale_bits, exact
        self._type = np.min_scalar_type((1 << (_WIDEST if exact else scale_bits)) - 1)
        self._row = np.ones(rows, np.float32)
        self._half_units = np.zeros(rows)  # half a unit in rows that are not exact
        self._integers: np.ndarray | None = None

    def _scale(self, rows: slice, scales: np.ndarray) -> None:
        """Take float64 `scales` ``[n, G]``, finite and not negative."""
        if self._integers is None:
            shape = len(self._row), scales.shape[1]
            self._integers = np.ones(shape, self._type)
        largest = scales.max(1, keepdims=True)
        several = ((scales != largest) & (scales != 0)).any(1)
        # One scale is exact whatever it is, as long as float32 has it; zeros stay zeros.
        row = np.where(largest > 0, largest, 1)[:, 0].astype(np.float32)
        integers = (scales > 0).astype(np.int64)
        exact = (row == largest[:, 0]) | (largest[:, 0] == 0)
        rest = np.flatnonzero(several | ~exact)
        if len(rest):
            if self._exact:
                found = exact_scales(scales[rest], scale_bits=_WIDEST)
                if not found.exact.all():
                    row_number = rows.start + int(rest[np.argmin(found.exact)])
                    raise RangeError(
                        f"scales of row {row_number} of tensor {self._name!r} must span at most "
                        f"{_WIDEST} bits to be exact; encode it without `exact`"
                    )
            else:
                units = min(128, max(8, _MOST_TRIED // scales.shape[1]))
                found = integer_scales(scales[rest], scale_bits=self._scale_bits, units=units)
            integers[rest], row[rest], exact[rest] = found.integers, found.row, found.exact
        self._integers[rows], self._row[rows] = integers, row
        self._half_units[rows] = np.where(exact, 0, row.astype(np.float64) / 2)

    def real_scales(self, rows: slice) -> np.ndarray:
        """``row_scale * group_scale`` as float64 ``[n, G, 1]``."""
        assert self._integers is not None
        product = self._integers[rows] * self._row[rows].astype(np.float64)[:, None]
        return product[:, :, None]

    def _group_scales(self) -> np.ndarray | None:
        assert self._integers is not None
        return None if (self._integers == 1).all() else self._integers

    def _row_scales(self, factor: float = 1) -> np.ndarray | None:
        # All ones are none: the products of integers stay integers.
        row = self._row * np.float32(factor)
        return None if (row == 1).all() else row


class CodeRows(_ScaledRows):
    """Codes, zero points and scales."""

    def __init__(self, name: str, rows: int, *, scale_bits: int, exact: bool) -> None:
        super().__init__(name, rows, scale_bits=scale_bits, exact=exact)
        self._zeros: np.ndarray | None = None
        self._span, self._noise = np.ones(rows), np.zeros(rows)
        self._bits, self._bipolar = 0, False

    def take(self, rows: slice, read: GroupedCodes) -> tuple[np.ndarray, np.ndarray | None]:
        """Take rows over; return their codes and the float64 biases ``[n, G]`` that are left."""
        self._bits, top = read.bits, (1 << read.bits) - 1
        given = {"scales": read.scales, "zero points": read.zeros, "biases": read.biases}
        for what, values in given.items():
            if values is not None and not np.isfinite(values).all():
                raise DamagedFileError(f"{what} of tensor {self._name!r} must be finite")
        scales = read.scales.astype(np.float64)
        zeros = np.broadcast_to(np.asarray(read.zeros, np.float64), scales.shape)
        self._bipolar = read.bits == 1 and not isinstance(read.zeros, np.ndarray) and (
            read.zeros == 0.5
        )  # fmt: skip
        codes = read.codes
        negative = scales < 0
        if negative.any():
            flip = np.repeat(negative, read.group_size, axis=1)[:, : codes.shape[1]]
            codes = codes ^ np.where(flip, np.uint8(top), np.uint8(0))
            zeros = np.where(negative, top - zeros, zeros)
        size = np.abs(scales)
        wanted, left = zeros, None
        if read.biases is not None:
            left = read.biases.astype(np.float64)
            if not self._exact:
                # What of a bias is whole steps is a zero point; what it leaves is not negative.
                wanted = zeros - np.divide(left, size, out=np.zeros_like(size), where=size > 0)
        # One beyond the codes still is a zero point, of a matrix said to have one bit more.
        whole = zeros
        if not self._bipolar:
            whole = np.clip(np.ceil(wanted - _ALMOST), 0, min(top + 1, 255))
        if not (whole == zeros).all():
            moved = size * (whole - zeros)
            left = moved if left is None else left + moved
            if read.biases is not None and not self._exact:
                noise = np.abs(left) <= _NOISE * np.abs(moved)
                self._noise[rows] = np.where(noise, np.abs(left), 0).max(1)
                left[noise] = 0
        if self._zeros is None:
            shape = len(self._row), scales.shape[1]
            self._zeros = np.empty(shape, np.float32 if self._bipolar else np.uint8)
        self._zeros[rows] = whole
        self._scale(rows, size)
        reach = np.maximum(whole, top - whole) * np.where(whole > top, 2, 1)
        self._span[rows] = np.maximum(1, reach.max(1))
        return self._nearest(rows, read, codes, size), left

    def _nearest(
        self, rows: slice, read: GroupedCodes, codes: np.ndarray, size: np.ndarray
    ) -> np.ndarray:
        """Codes nearest to the weights under the scales as they now are."""
        if self._bipolar:
            return codes
        assert self._integers is not None
        zeros, top = self.zeros(rows), (1 << read.bits) - 1
        # Groups of zeros need no scale of their own if their codes are the zero point.
        nothing = (size == 0) & (zeros[:, :, 0] <= top)
        self._integers[rows][nothing] = 1
        real = self.real_scales(rows)[:, :, 0]
        ratio = np.divide(size, real, out=np.ones_like(size), where=real > 0)
        reach = np.maximum(zeros[:, :, 0], top - zeros[:, :, 0])
        if not (np.abs(ratio - 1) * reach > 0.5).any():
            return codes
        moved = (read.grouped(codes) - zeros) * ratio[:, :, None]
        return read.ungrouped(np.clip(np.rint(moved) + zeros, 0, top).astype(np.uint8))

    def zeros(self, rows: slice) -> np.ndarray:
        """Zero points as float64 ``[n, G, 1]``."""
        assert self._zeros is not None
        return self._zeros[rows].astype(np.float64)[:, :, None]

    def bounds(self, rows: slice) -> np.ndarray:
        """What a weight of each row is off by at most."""
        return self._half_units[rows] * self._span[rows] + self._noise[rows]

    def matrix(self, codes: PackedCodes, group_size: int) -> QuantizedMatrix:
        """The matrix of all rows."""
        assert self._zeros is not None
        bits, scales = self._bits, self._group_scales()
        if self._bipolar:
            zeros = None
        elif (self._zeros == self._zeros[0, 0]).all():
            zeros = int(self._zeros[0, 0])
        else:
            zeros = self._zeros
        most = 0 if zeros is None else int(np.max(zeros))
        grouped = isinstance(zeros, np.ndarray) or scales is not None
        return QuantizedMatrix(
            codes=codes,
            bits=bits + (most >> bits > 0),
            planes=tuple(Plane(bit, bit) for bit in reversed(range(bits))),
            offset=0 if self._bipolar else (1 << bits) - 1,
            halve=not self._bipolar,
            group_size=group_size if grouped else None,
            zero_points=zeros,
            group_scales=scales,
            row_scales=self._row_scales(0.5 if self._bipolar else 1),
        )


class BiasRows(_ScaledRows):
    """Biases per group: one plane of ones, signs as zero points 0 and 2, sizes as scales."""

    def __init__(self, name: str, rows: int, *, scale_bits: int, exact: bool) -> None:
        super().__init__(name, rows, scale_bits=scale_bits, exact=exact)
        self._negative: np.ndarray | None = None

    @property
    def used(self) -> bool:
        """Some bias is not zero."""
        return self._negative is not None

    def take(self, rows: slice, biases: np.ndarray | None) -> None:
        """Take float64 biases ``[n, G]``; None are zeros."""
        if biases is None or not biases.any():
            return
        if self._negative is None or self._integers is None:
            self._negative = np.zeros((len(self._row), biases.shape[1]), bool)
            self._integers = np.zeros(self._negative.shape, self._type)
        sizes = np.abs(biases)
        self._scale(rows, sizes)
        # What is nearer to nothing than to a unit.
        self._integers[rows][sizes < self._half_units[rows, None]] = 0
        self._negative[rows] = (biases < 0) & (self._integers[rows] > 0)

    def values(self, rows: slice) -> np.ndarray:
        """Biases as they now are, float64 ``[n, G, 1]``; 0 where there are none."""
        if self._negative is None:
            return np.zeros((1, 1, 1))
        return np.where(self._negative[rows], -1.0, 1.0)[:, :, None] * self.real_scales(rows)

    def bounds(self, rows: slice) -> np.ndarray:
        """What a bias of each row is off by at most."""
        return self._half_units[rows]

    def matrix(self, k: int, group_size: int) -> QuantizedMatrix:
        """The matrix ``[N, K]`` of all biases."""
        assert self._negative is not None
        signs = self._negative.astype(np.uint8) << np.uint8(1)
        return QuantizedMatrix(
            # All ones, in one byte.
            codes=np.broadcast_to(np.uint8(1), (len(self._row), k)),
            bits=2,
            planes=(Plane(0, 0),),
            offset=1,
            halve=True,
            group_size=group_size,
            zero_points=signs if signs.any() else 0,
            group_scales=self._group_scales(),
            row_scales=self._row_scales(),
        )
