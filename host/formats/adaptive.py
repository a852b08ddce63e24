"""Adaptive precision: eight planes stored once, any number of the top ones run."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..accelerator import Accelerator
from ..errors import RangeError, ShapeError, UnsupportedFormatError
from ..loaded_matrix import LoadedMatrix
from ..quantized_matrix import Plane, QuantizedMatrix

__all__ = ["AdaptiveMatrix", "LoadedAdaptive", "Rounding"]

Rounding = Literal["midpoint", "nearest"]

#: Zero points of a view: -2 .. 2 around this.
_MIDDLE = 3


class AdaptiveMatrix:
    """A matrix of b-bit codes whose planes stand one behind the other along K.

    With bits +-1, the planes left out are not zeros but the middle of what they could be: for
    ``k = b - n`` planes left out and ``c = 2**b - 1 - 2 z``,

        2 (q - z) = sum_i 2**i (2 b_i - 1) + c

    loses only terms whose mean is zero. So the top n planes, with the whole c, are the code
    rounded to the middle of its interval of ``2**k`` codes: the error is at most ``(2**k - 1) / 2``
    and unbiased, where truncation to ``2**k (q >> k)`` is off by up to ``2**k - 1``, always
    downwards.

    `rounding` says which code the rest stands for:

    - ``"midpoint"``: the above, at n planes.
    - ``"nearest"``: ``2**k * round(q / 2**k)``, halves up, as double rounding asks for (Huang et
      al., *Nearly Lossless Adaptive Bit Switching*, 2025, arXiv:2502.01199), but without clipping:
      ``round(q / 2**k) = (q >> k) + b_(k-1)``, so that the next plane runs too, with the place of
      the last, at n + 1 planes.

    c is a multiple of ``2**k``, rounded where it is not: exact at full precision, half a unit of
    the code off for symmetric codes, and never more than ``2**(k-2)`` units.

    Parameters
    ----------
    matrix : QuantizedMatrix
        Plain codes of 2 to 8 bits (`QuantizedMatrix.from_codes`), with any zero points and scales.

    Raises
    ------
    UnsupportedFormatError
        The planes are not those of plain codes.
    """

    def __init__(self, matrix: QuantizedMatrix) -> None:
        bits = matrix.bits
        plain = tuple(Plane(bit, bit) for bit in reversed(range(bits)))
        if bits < 2 or matrix.planes != plain or not matrix.halve:
            raise UnsupportedFormatError(
                "adaptive precision needs plain codes of 2 to 8 bits (QuantizedMatrix.from_codes)"
            )
        self._matrix = matrix
        n, k = matrix.shape
        self._padded = matrix.groups * matrix.group_width
        codes = np.zeros((n, bits, self._padded), np.uint8)
        for i in range(bits):
            codes[:, i, :k] = matrix.codes >> (bits - 1 - i) & 1
        self._codes = codes.reshape(n, -1)

    @property
    def bits(self) -> int:
        """Planes that are stored."""
        return self._matrix.bits

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``: outputs and inputs."""
        return self._matrix.shape

    def top(self, planes: int, rounding: Rounding = "midpoint") -> QuantizedMatrix:
        """The matrix ``[N, m K']`` of the first planes, one bit each, for activations m times over.

        Its integers are those of the codes divided by `unit`, which its row scales make up for
        where there are any; m is `planes`, or one more. The codes of all these matrices begin
        alike, so that they can share one weight image.

        Raises
        ------
        RangeError
            `planes` is not from 1 to `bits`, or `rounding` is none.
        """
        bits, matrix = self.bits, self._matrix
        used = self._passes(planes, rounding)
        dropped = bits - planes
        places = [max(bits - 1 - i, dropped) - dropped for i in range(used)]
        zeros = matrix.zero_points
        grid = np.zeros((self.shape[0], matrix.groups), np.int64) + (0 if zeros is None else zeros)
        constant = (matrix.offset if used == planes else matrix.offset + 1) - 2 * grid
        rest = np.rint(constant / (1 << dropped)).astype(np.int64)
        fields, scales = [], []
        own = np.ones_like(grid)
        if matrix.group_scales is not None:
            own = matrix.group_scales.astype(np.int64)
        for place in places:
            share = np.rint(rest / (1 << place)).astype(np.int64)
            rest = rest - (share << place)
            fields.append(_MIDDLE - share)
            scales.append(own << place + (planes == 1))
        row_scales = matrix.row_scales
        if row_scales is not None:
            row_scales = row_scales * np.float32(self.unit(planes))
        return QuantizedMatrix(
            codes=np.ascontiguousarray(self._codes[:, : used * self._padded]),
            bits=3,  # of which one is used: zero points go as far as codes could
            planes=(Plane(0, 0),),
            offset=_MIDDLE,
            group_size=matrix.group_width,
            zero_points=np.concatenate(fields, axis=1),
            group_scales=np.concatenate(scales, axis=1),
            row_scales=row_scales,
        )

    def unit(self, planes: int) -> float:
        """Weight of 1 in the integers of ``top(planes)``: half the place of its last plane."""
        # One plane keeps scales of 2: without any, its groups would be laid out as one.
        return 2.0 ** (self.bits - planes - 1 - (planes == 1))

    def dequantize(self, planes: int, rounding: Rounding = "midpoint") -> np.ndarray:
        """The weights that the top planes stand for, float64 ``[N, K]``."""
        top = self.top(planes, rounding)
        n, k = self.shape
        values = top.integers().reshape(n, -1, self._padded).sum(1)[:, :k] * self.unit(planes)
        scales = self._matrix.row_scales
        return values if scales is None else values * scales.astype(np.float64)[:, None]

    def load(self, device: Accelerator) -> LoadedAdaptive:
        """Send all planes to a device, once.

        Raises
        ------
        UnsupportedFormatError, OutOfDeviceMemoryError
            As `Accelerator.load`. Planes become group scales up to ``2**(bits-1)``.
        """
        return LoadedAdaptive(self, device)

    def expand(self, x: np.ndarray, passes: int) -> np.ndarray:
        """Activations ``[M, K]`` as ``[M, passes K']``."""
        m, k = x.shape
        if self._padded == k:
            return np.tile(x, (1, passes))
        padded = np.zeros((m, passes, self._padded), x.dtype)
        padded[:, :, :k] = x[:, None]
        return padded.reshape(m, -1)

    def _passes(self, planes: int, rounding: Rounding) -> int:
        if isinstance(planes, bool) or not 1 <= planes <= self.bits:
            raise RangeError(f"planes must be from 1 to {self.bits}, not {planes!r}")
        if rounding not in ("midpoint", "nearest"):
            raise RangeError(f"rounding must be 'midpoint' or 'nearest', not {rounding!r}")
        return planes + (rounding == "nearest" and planes < self.bits)


class LoadedAdaptive:
    """All planes on a device, in one weight image; made by `AdaptiveMatrix.load`."""

    def __init__(self, matrix: AdaptiveMatrix, device: Accelerator) -> None:
        self._matrix, self._device = matrix, device
        self._whole = device.load(matrix.top(matrix.bits))
        self._views: dict[tuple[int, Rounding], LoadedMatrix] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``: outputs and inputs."""
        return self._matrix.shape

    @property
    def device(self) -> Accelerator:
        """Where the planes are."""
        return self._device

    @property
    def counters(self) -> dict[str, int]:
        """Counters of the last product on the device."""
        return self._device.counters

    def matmul(
        self,
        x: np.ndarray,
        *,
        planes: int | None = None,
        rounding: Rounding = "midpoint",
        act_bits: int | None = None,
        skip_zeros: bool = False,
    ) -> np.ndarray:
        """``X[M, K] @ W[N, K].T`` with the top `planes` of W (by default all), at that cost.

        Planes that are not run are not read either. The first product of a precision sends its
        group parameters (`planes` words per output block); the planes stay where they are.

        Parameters
        ----------
        x : ndarray of integers, shape ``[M, K]``
        planes : int, optional
        rounding : {"midpoint", "nearest"}
            As in `AdaptiveMatrix`.
        act_bits, skip_zeros
            As in `Accelerator.matmul`.

        Returns
        -------
        ndarray, shape ``[M, N]``
            float32 where the matrix has row scales, else float64, exact.
        """
        matrix = self._matrix
        planes = matrix.bits if planes is None else planes
        view = self._view(planes, rounding)
        if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] != self.shape[1]:
            raise ShapeError(
                f"x must have shape [M, {self.shape[1]}], M at least 1, not {np.shape(x)}"
            )
        passes = matrix._passes(planes, rounding)
        y = self._device.matmul(
            matrix.expand(x, passes), view, act_bits=act_bits, skip_zeros=skip_zeros
        )
        return y if view.row_scales is not None else y * matrix.unit(planes)

    def free(self) -> None:
        """Give the device's memory back. Freeing twice does nothing."""
        for view in self._views.values():
            view.free()
        self._views.clear()
        self._whole.free()

    def _view(self, planes: int, rounding: Rounding) -> LoadedMatrix:
        if planes == self._matrix.bits:
            return self._whole
        key = planes, rounding
        if key not in self._views:
            top = self._matrix.top(planes, rounding)
            self._views[key] = self._device.load(top, image=self._whole)
        return self._views[key]
