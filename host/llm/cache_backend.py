"""Products of growing caches in NumPy, and on two backends at once."""

from __future__ import annotations

import numpy as np

from ..attention import CacheProducts, GrowingCodes
from ..growing_matrix import GrowthAxis, check_new_codes
from .backend import check_equal

__all__ = ["ComparingCache", "NumpyCache"]


class _NumpyCodes:
    """Codes less their zero point, as float64: exact below ``2**53``."""

    def __init__(self, width: int, bits: int, axis: GrowthAxis) -> None:
        self._width, self._bits, self._axis = width, bits, axis
        self._room, self.length = np.zeros((64, width)), 0

    def append(self, codes: np.ndarray) -> None:
        """See `GrowingCodes.append`."""
        check_new_codes(codes, self._width, self._bits)
        end = self.length + len(codes)
        if end > len(self._room):
            more = np.zeros((max(end, 2 * len(self._room)), self._width))
            more[: self.length] = self._room[: self.length]
            self._room = more
        self._room[self.length : end] = codes - float(1 << self._bits - 1)
        self.length = end

    def product(self, x: np.ndarray) -> np.ndarray:
        """Activations ``[M, K]`` times the weights."""
        weights = self._room[: self.length]
        y = x.astype(np.float64) @ (weights.T if self._axis == "outputs" else weights)
        return y.astype(np.int64)

    def free(self) -> None:
        """See `GrowingCodes.free`."""


class NumpyCache:
    """`CacheProducts` in NumPy, the reference.

    Parameters
    ----------
    act_bits : int
        Width of the activations, that of the device it stands for.
    """

    def __init__(self, act_bits: int = 8) -> None:
        self.act_bits = act_bits

    def grow(self, width: int, *, bits: int, axis: GrowthAxis) -> GrowingCodes:
        """See `CacheProducts.grow`."""
        return _NumpyCodes(width, bits, axis)

    def matmul(self, x: np.ndarray, matrix: GrowingCodes, /) -> np.ndarray:
        """See `CacheProducts.matmul`."""
        assert isinstance(matrix, _NumpyCodes)
        return matrix.product(x)


class _Both:
    def __init__(self, device: GrowingCodes, reference: GrowingCodes) -> None:
        self.device, self.reference = device, reference

    def append(self, codes: np.ndarray) -> None:
        self.device.append(codes)
        self.reference.append(codes)

    def free(self) -> None:
        self.device.free()
        self.reference.free()


class ComparingCache:
    """`CacheProducts` of a device of which every integer is compared with NumPy's.

    Parameters
    ----------
    device : CacheProducts

    Attributes
    ----------
    products, values : int
        Products and integers compared so far.
    """

    def __init__(self, device: CacheProducts) -> None:
        self._device, self._reference = device, NumpyCache(device.act_bits)
        self.products = self.values = 0

    @property
    def act_bits(self) -> int:
        """Width of the device's activations."""
        return self._device.act_bits

    def grow(self, width: int, *, bits: int, axis: GrowthAxis) -> GrowingCodes:
        """See `CacheProducts.grow`."""
        both = (p.grow(width, bits=bits, axis=axis) for p in (self._device, self._reference))
        return _Both(*both)

    def matmul(self, x: np.ndarray, matrix: GrowingCodes, /) -> np.ndarray:
        """See `CacheProducts.matmul`; raise `BackendMismatchError` at the first difference."""
        assert isinstance(matrix, _Both)
        got = self._device.matmul(x, matrix.device)
        wanted = self._reference.matmul(x, matrix.reference)
        check_equal("cache", got, wanted)
        self.products += 1
        self.values += got.size
        return got
