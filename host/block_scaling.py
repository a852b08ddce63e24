"""Floating-point activations as block-scaled integers: what `Config.act_exponent_bits` is for.

A row of a K block is a vector of integers of A bits with one exponent, the row as a whole has a
reference exponent, and the values become

    v[m, k]  ~  mantissa[m, k] * 2**(exponent[m, block of k] + reference[m]).

Each block takes the least unit ``2**e`` for which all its mantissas ``rint(v / 2**e)`` (ties to
even) are in ``[-2**(A-1), 2**(A-1) - 1]``. The hardware shifts a block's contribution left by 0 to
``2**B - 1``, so the reference is the least e of the row's blocks, or the largest less ``2**B - 1``
where that is more. Blocks with smaller units than the reference take the reference itself: they
lose the low bits that are too far below the row's largest block, and no other.

Rounding is off by half a unit at most, ``|v - v'| <= 2**(e-1)``. Where the reference is no limit,
the next smaller unit did not fit, and that is at most ``max|v| / (2**(A-1) - 1/2)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .errors import RangeError
from .matrix_layout import MatrixLayout
from .packing import pad_groups

__all__ = ["BlockScaled", "block_of_inputs", "block_scaled"]

#: Exponent of a block of zeros while others are compared.
_NONE = 1 << 20


class BlockScaled(NamedTuple):
    """Mantissas and exponents of ``[M, K]`` values.

    Attributes
    ----------
    mantissas : ndarray of int64, shape ``[M, K]``
    exponents : ndarray of int64, shape ``[M, k_blocks]``
        0 to `Config.max_exponent`; 0 for blocks of zeros.
    references : ndarray of int64, shape ``[M]``
        0 for rows of zeros.
    """

    mantissas: np.ndarray
    exponents: np.ndarray
    references: np.ndarray

    @property
    def units(self) -> np.ndarray:
        """``2**e`` of each row and block, float64 ``[M, k_blocks]``."""
        return np.ldexp(1.0, self.exponents + self.references[:, None])

    def values(self, layout: MatrixLayout) -> np.ndarray:
        """What the accelerator multiplies by, exactly: float64 ``[M, K]``."""
        return self.mantissas * self.units[:, block_of_inputs(layout)]


def block_scaled(values: np.ndarray, layout: MatrixLayout, *, mantissa_bits: int) -> BlockScaled:
    """The nearest block-scaled integers.

    Parameters
    ----------
    values : ndarray of float64, shape ``[M, K]``
        Finite; magnitudes from ``2**-900`` to ``2**900``, or 0.
    layout : MatrixLayout
        Of the weights: which inputs share a block.
    mantissa_bits : int
        A, with the sign: 2 to `Config.act_bits`.

    Raises
    ------
    RangeError
        `mantissa_bits` is outside its range.
    """
    config = layout.config
    if not 2 <= mantissa_bits <= config.act_bits:
        raise RangeError(f"mantissa_bits must be from 2 to {config.act_bits}, not {mantissa_bits}")
    blocks = pad_groups(values, layout).reshape(len(values), layout.k_blocks, config.k_block)
    units = _least_units(blocks.min(-1), blocks.max(-1), mantissa_bits)
    used = units != _NONE
    largest = np.where(used, units, -_NONE).max(1)
    references = np.maximum(units.min(1), largest - config.max_exponent)
    references = np.where(used.any(1), references, 0)
    exponents = np.where(used, np.maximum(units - references[:, None], 0), 0)
    shifts = (exponents + references[:, None])[:, block_of_inputs(layout)]
    mantissas = np.rint(np.ldexp(values, -shifts)).astype(np.int64)
    return BlockScaled(mantissas, exponents, references)


def block_of_inputs(layout: MatrixLayout) -> np.ndarray:
    """K block of each input, ``[K]``."""
    group, place = np.divmod(np.arange(layout.k), layout.group_width)
    return group * layout.group_blocks + place // layout.config.k_block


def _least_units(low: np.ndarray, high: np.ndarray, bits: int) -> np.ndarray:
    """Least exponent at which the ends of each block's range fit; `_NONE` for zeros."""
    largest = np.maximum(-low, high)
    exponents = np.frexp(largest)[1].astype(np.int64) - bits
    top = 1 << bits - 1
    for _ in range(2):
        over = np.rint(np.ldexp(high, -exponents)) > top - 1
        under = np.rint(np.ldexp(low, -exponents)) < -top
        exponents += over | under
    return np.where(largest > 0, exponents, _NONE)
