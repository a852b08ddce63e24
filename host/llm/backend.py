"""Where the integer products of the decoder are computed.

A backend takes a matrix of weight codes once and then multiplies it with int8 activations.  The
decoder's results depend only on these integers, so every exact backend gives the same text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import LutraError

__all__ = [
    "BackendInputError",
    "BackendMismatchError",
    "ComparingBackend",
    "LinearBackend",
    "NumpyBackend",
    "check_equal",
]


class BackendInputError(LutraError, ValueError):
    """Codes or activations of a type, range or shape that a backend does not take."""


class BackendMismatchError(LutraError, RuntimeError):
    """Two backends disagree; says in which layer, where, and on what."""


def check_equal(name: str, got: NDArray[np.integer], wanted: NDArray[np.integer]) -> None:
    """Raise `BackendMismatchError` at the first integer of a product that is not what is wanted."""
    wrong = np.argwhere(got != wanted)
    if len(wrong):
        row, column = (int(index) for index in wrong[0])
        raise BackendMismatchError(
            f"{name}: row {row}, output {column} is {int(got[row, column])}; "
            f"{int(wanted[row, column])} expected ({len(wrong)} of {got.size} differ)"
        )


class LinearBackend(Protocol):
    """Exact integer matrix products."""

    def load(self, name: str, codes: NDArray[np.uint8], *, bits: int, zero_point: int) -> object:
        """Take the weight codes of one layer and return a handle to them.

        Parameters
        ----------
        name : str
            Tensor name, for messages.
        codes : ndarray of uint8, shape (N, K)
            Below ``2 ** bits``; the weights are ``codes - zero_point``.  Ternary layers have
            ``bits=2, zero_point=1``, the head has ``bits=8, zero_point=128``.
        """
        ...

    def matmul(self, x: NDArray[np.int8], handle: object, /) -> NDArray[np.integer]:
        """Return ``x @ (codes - zero_point).T`` exactly, int8 ``[M, K]`` to integer ``[M, N]``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _NumpyWeights:
    name: str
    transposed: NDArray[np.floating]
    result: type[np.integer]


class NumpyBackend:
    """Reference: NumPy, in the fastest number type in which no sum can round.

    ``|sum| <= K * 128 * max |w|``.  Below ``2 ** 24`` float32 holds every partial sum exactly in
    whatever order they are added, below ``2 ** 53`` float64 does.
    """

    def load(self, name: str, codes: NDArray[np.uint8], *, bits: int, zero_point: int) -> object:
        """See `LinearBackend.load`."""
        if codes.ndim != 2 or codes.dtype != np.uint8:
            raise BackendInputError(
                f"{name}: codes are {codes.dtype} of {codes.ndim} dimensions; uint8 of 2 expected"
            )
        if not 1 <= bits <= 8 or not 0 <= zero_point < 1 << bits:
            raise BackendInputError(
                f"{name}: {bits} bits with zero point {zero_point}; 1 to 8 bits and a zero "
                f"point below 2 ** bits expected"
            )
        if codes.size and int(codes.max()) >= 1 << bits:
            raise BackendInputError(f"{name}: code {int(codes.max())} does not fit {bits} bits")
        weights = codes.astype(np.int64) - zero_point
        bound = 128 * weights.shape[1] * max(zero_point, (1 << bits) - 1 - zero_point)
        number = np.float32 if bound < 1 << 24 else np.float64
        result = np.int32 if bound < 1 << 31 else np.int64
        return _NumpyWeights(name, np.ascontiguousarray(weights.T, dtype=number), result)

    def matmul(self, x: NDArray[np.int8], handle: object) -> NDArray[np.integer]:
        """See `LinearBackend.matmul`."""
        if not isinstance(handle, _NumpyWeights):
            raise BackendInputError(f"the handle is {type(handle).__name__}, not one of `load`'s")
        depth = handle.transposed.shape[0]
        if x.dtype != np.int8 or x.ndim != 2 or x.shape[1] != depth:
            raise BackendInputError(
                f"{handle.name}: activations are {x.dtype} {x.shape}; int8 (M, {depth}) expected"
            )
        product = x.astype(handle.transposed.dtype) @ handle.transposed
        return product.astype(handle.result)


class ComparingBackend:
    """Run every product on a device and on a reference, and compare every integer.

    Parameters
    ----------
    device, reference : LinearBackend
        The backend under test, and the one it must equal.

    Attributes
    ----------
    products, values : int
        Products and integers compared so far.
    """

    def __init__(self, device: LinearBackend, reference: LinearBackend | None = None) -> None:
        self._device = device
        self._reference = NumpyBackend() if reference is None else reference
        self.products = 0
        self.values = 0

    def load(self, name: str, codes: NDArray[np.uint8], *, bits: int, zero_point: int) -> object:
        """See `LinearBackend.load`."""
        return (
            name,
            self._device.load(name, codes, bits=bits, zero_point=zero_point),
            self._reference.load(name, codes, bits=bits, zero_point=zero_point),
        )

    def matmul(self, x: NDArray[np.int8], handle: object) -> NDArray[np.integer]:
        """See `LinearBackend.matmul`; raise `BackendMismatchError` at the first difference."""
        if not isinstance(handle, tuple) or len(handle) != 3:
            raise BackendInputError(f"the handle is {type(handle).__name__}, not one of `load`'s")
        name, device_handle, reference_handle = handle
        wanted = self._reference.matmul(x, reference_handle)
        got = self._device.matmul(x, device_handle)
        if got.shape != wanted.shape or not np.issubdtype(got.dtype, np.integer):
            raise BackendMismatchError(
                f"{name}: the device gave {got.dtype} {got.shape}; integers {wanted.shape} expected"
            )
        check_equal(name, got, wanted)
        self.products += 1
        self.values += got.size
        return got
