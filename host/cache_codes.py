"""Keys or values of one head as codes, with a scale and a centre for every position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .errors import RangeError

if TYPE_CHECKING:
    from .attention import GrowingCodes

__all__ = ["CachedRows", "quantise_positions"]

_TINY = 1e-12


def quantise_positions(rows: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``row ~ scale * (code - 2**(bits-1)) + centre``, each row between its extremes.

    Parameters
    ----------
    rows : ndarray of floats, shape ``[T, D]``
    bits : int

    Returns
    -------
    codes : ndarray of uint8, shape ``[T, D]``
    scales, centres : ndarray of float64, shape ``[T]``
        The error is at most half a scale, ``(max - min) / (2**bits - 1) / 2``.

    Raises
    ------
    RangeError
        A value is not finite.
    """
    rows = np.asarray(rows, np.float64)
    if not np.isfinite(rows).all():
        raise RangeError("keys and values must be finite")
    low, high = rows.min(1), rows.max(1)
    scales = np.maximum((high - low) / ((1 << bits) - 1), _TINY)
    codes = np.rint((rows - low[:, None]) / scales[:, None]).astype(np.uint8)
    return codes, scales, low + scales * (1 << bits - 1)


class CachedRows:
    """Positions of one head.

    Parameters
    ----------
    matrix : GrowingCodes
        Where their codes go.
    bits : int

    Attributes
    ----------
    matrix : GrowingCodes
    """

    def __init__(self, matrix: GrowingCodes, bits: int) -> None:
        self.matrix = matrix
        self._bits = bits
        self.length = 0
        self._parameters = np.zeros((2, 64))

    @property
    def scales(self) -> np.ndarray:
        """Of every position, float64 ``[positions]``."""
        return self._parameters[0, : self.length]

    @property
    def centres(self) -> np.ndarray:
        """Of every position, float64 ``[positions]``."""
        return self._parameters[1, : self.length]

    def append(self, rows: np.ndarray) -> None:
        """Quantise floats ``[T, D]`` and add them."""
        codes, scales, centres = quantise_positions(rows, self._bits)
        self.matrix.append(codes)
        end = self.length + len(rows)
        if end > self._parameters.shape[1]:
            more = np.zeros((2, max(end, 2 * self._parameters.shape[1])))
            more[:, : self.length] = self._parameters[:, : self.length]
            self._parameters = more
        self._parameters[:, self.length : end] = scales, centres
        self.length = end
