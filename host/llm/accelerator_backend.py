"""The decoder's integer products on a Lutra device."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..accelerator import Accelerator
from ..attention import DeviceProducts, GrowingCodes
from ..growing_matrix import GrowthAxis
from ..loaded_matrix import LoadedMatrix
from ..quantized_matrix import QuantizedMatrix
from .backend import BackendInputError

__all__ = ["AcceleratorBackend"]


class AcceleratorBackend:
    """A `LinearBackend`, and `CacheProducts`, on an open `Accelerator`.

    Parameters
    ----------
    accelerator : Accelerator
        Not closed by the backend.

    Attributes
    ----------
    counters : Counter
        Sums of the device's counters (`Accelerator.counters`) over all products so far.
    products : int
        Products so far.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.counters: Counter[str] = Counter()
        self.products = 0

    @property
    def act_bits(self) -> int:
        """See `CacheProducts.act_bits`."""
        return self._accelerator.config.act_bits

    def grow(self, width: int, *, bits: int, axis: GrowthAxis) -> GrowingCodes:
        """See `CacheProducts.grow`."""
        return DeviceProducts(self._accelerator).grow(width, bits=bits, axis=axis)

    def load(
        self, name: str, codes: NDArray[np.uint8], *, bits: int, zero_point: int
    ) -> LoadedMatrix:
        """See `LinearBackend.load`."""
        weights = QuantizedMatrix.from_codes(codes, bits, zero_points=zero_point)
        return self._accelerator.load(weights)

    def matmul(self, x: NDArray[np.int8], handle: object, /) -> NDArray[np.integer]:
        """See `LinearBackend.matmul`."""
        if not isinstance(handle, LoadedMatrix):
            raise BackendInputError(f"the handle is {type(handle).__name__}, not one of `load`'s")
        product = self._accelerator.matmul(x, handle)
        self.counters.update(self._accelerator.counters)
        self.products += 1
        return product
