"""A weight matrix as a sum of products: over gathered inputs, for selected outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..accelerator import Accelerator
from ..errors import DtypeError, RangeError, ShapeError
from ..loaded_matrix import LoadedMatrix
from ..quantized_matrix import QuantizedMatrix

__all__ = ["CompositeMatrix", "LoadedComposite", "Part"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """One product of a composite: ``Y[:, rows] += 2**exponent * X[:, columns] @ matrix.T``.

    Attributes
    ----------
    matrix : QuantizedMatrix
        ``[len(rows), len(columns)]``.
    columns : ndarray of integers, or None
        Input of each of the matrix's columns: -1 for none (a zero), repeated as often as needed;
        None for all inputs in order.
    rows : ndarray of integers, or None
        Output of each of the matrix's rows, each once; None for all outputs in order.
    exponent : int
    """

    matrix: QuantizedMatrix
    columns: np.ndarray | None = None
    rows: np.ndarray | None = None
    exponent: int = 0

    def gather(self, x: np.ndarray) -> np.ndarray:
        """``X[:, columns]``."""
        if self.columns is None:
            return x
        if int(self.columns.min()) >= 0:
            return x[:, self.columns]
        # Index -1 is the column of zeros at the end.
        padded = np.zeros((x.shape[0], x.shape[1] + 1), x.dtype)
        padded[:, :-1] = x
        return padded[:, self.columns]


class CompositeMatrix:
    """Weights ``[N, K]`` that are the sum of several `QuantizedMatrix`.

    Rows of different widths are parts with different rows; wide outlier columns are columns that
    come once more; planes with scales of their own are the same columns several times over,
    each time with one plane. All of that happens in one product where one part is enough: the
    accelerator merges in its partial sums, and the host does nothing but gather activations.

    Parameters
    ----------
    shape : (int, int)
        N and K.
    parts : sequence of Part
        At least one.

    Raises
    ------
    DtypeError, ShapeError, RangeError
        A part does not fit `shape`.
    """

    def __init__(self, shape: tuple[int, int], parts: Sequence[Part]) -> None:
        self.shape = shape
        self.parts = tuple(parts)
        if not self.parts:
            raise ShapeError("parts must be at least one")
        for part in self.parts:
            n, k = part.matrix.shape
            _check_indices("rows", part.rows, n, shape[0], 0)
            _check_indices("columns", part.columns, k, shape[1], -1)
            if part.rows is not None and len(np.unique(part.rows)) != n:
                raise RangeError("rows must name each output of a part once")

    @property
    def integer(self) -> bool:
        """Products are integers: no part has row scales, or a negative exponent."""
        return all(p.matrix.row_scales is None and p.exponent >= 0 for p in self.parts)

    def dequantize(self) -> np.ndarray:
        """The weights as float64 ``[N, K]``."""
        total = np.zeros(self.shape)
        for part in self.parts:
            values = part.matrix.integers().astype(np.float64)
            if part.matrix.row_scales is not None:
                values *= part.matrix.row_scales.astype(np.float64)[:, None]
            n, k = self.shape
            rows = np.arange(n) if part.rows is None else part.rows
            columns = np.arange(k) if part.columns is None else part.columns
            used = columns >= 0
            where = rows[:, None], columns[used]
            np.add.at(total, where, np.ldexp(values[:, used], part.exponent))
        return total

    def load(self, device: Accelerator) -> LoadedComposite:
        """Send all parts to a device.

        Raises
        ------
        UnsupportedFormatError, OutOfDeviceMemoryError
            As `Accelerator.load`; nothing stays on the device then.
        """
        loaded: list[LoadedMatrix] = []
        try:
            for part in self.parts:
                loaded.append(device.load(part.matrix))
        except BaseException:
            for matrix in loaded:
                matrix.free()
            raise
        return LoadedComposite(self, device, loaded)


class LoadedComposite:
    """The parts of a composite on a device; made by `CompositeMatrix.load`."""

    def __init__(
        self, matrix: CompositeMatrix, device: Accelerator, loaded: list[LoadedMatrix]
    ) -> None:
        self._matrix, self._device, self._loaded = matrix, device, loaded
        self._counters: dict[str, int] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, K)``: outputs and inputs."""
        return self._matrix.shape

    @property
    def device(self) -> Accelerator:
        """Where the parts are."""
        return self._device

    @property
    def counters(self) -> dict[str, int]:
        """Counters of the last product, summed over its parts."""
        return dict(self._counters)

    def matmul(
        self, x: np.ndarray, *, act_bits: int | None = None, skip_zeros: bool = False
    ) -> np.ndarray:
        """``Y[M, N] = X[M, K] @ W[N, K].T``.

        Parameters
        ----------
        x : ndarray of integers, shape ``[M, K]``
        act_bits, skip_zeros
            As in `Accelerator.matmul`.

        Returns
        -------
        ndarray, shape ``[M, N]``
            int64, exact, where the composite is `integer`; else float32: the products of the
            parts, added in float64.

        Raises
        ------
        ShapeError
            `x` does not have K columns; other errors as in `Accelerator.matmul`.
        """
        n, k = self.shape
        if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] != k:
            raise ShapeError(f"x must have shape [M, {k}], M at least 1, not {np.shape(x)}")
        total = np.zeros((len(x), n), np.int64 if self._matrix.integer else np.float64)
        self._counters = {}
        for part, loaded in zip(self._matrix.parts, self._loaded, strict=True):
            gathered = part.gather(x)
            y = self._device.matmul(gathered, loaded, act_bits=act_bits, skip_zeros=skip_zeros)
            rows = slice(None) if part.rows is None else part.rows
            if total.dtype == np.int64:
                total[:, rows] += y.astype(np.int64) << part.exponent
            else:
                total[:, rows] += np.ldexp(y.astype(np.float64), part.exponent)
            for name, value in self._device.counters.items():
                self._counters[name] = self._counters.get(name, 0) + value
        return total if total.dtype == np.int64 else total.astype(np.float32)

    def free(self) -> None:
        """Give the device's memory back. Freeing twice does nothing."""
        for matrix in self._loaded:
            matrix.free()


def _check_indices(
    name: str, indices: np.ndarray | None, have: int, extent: int, least: int
) -> None:
    if indices is None:
        if have != extent:
            raise ShapeError(f"{name} must be given for a part of {have} in a matrix of {extent}")
        return
    if not np.issubdtype(indices.dtype, np.integer):
        raise DtypeError(f"{name} must be integers, not {indices.dtype}")
    if indices.shape != (have,):
        raise ShapeError(f"{name} must have shape {(have,)}, not {indices.shape}")
    low, high = int(indices.min()), int(indices.max())
    if low < least or high >= extent:
        found = low if low < least else high
        raise RangeError(f"{name} must be from {least} to {extent - 1}, not {found}")
