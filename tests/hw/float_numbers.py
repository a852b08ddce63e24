"""Floating-point numbers that find mistakes, and how results are compared."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from amaranth.hdl import Module, Signal

from lutra.hw.float_format import FloatFormat

from .vector_model import run_vectors

__all__ = ["check_operation", "corners", "random_pairs", "same_numbers", "unsigned"]


def unsigned(kind: type) -> type:
    """Unsigned integers as wide as a float type."""
    return {np.float16: np.uint16, np.float32: np.uint32}[kind]


def corners(kind: type) -> np.ndarray:
    """Bits of numbers at all borders: both signs of every exponent with five fractions, and NaN."""
    fraction_bits = np.finfo(kind).nmant
    ones = (1 << fraction_bits) - 1
    fractions = np.array([0, 1, ones, 1 << fraction_bits - 1, ones >> 1])
    exponents = np.arange(1 << 8 * np.dtype(kind).itemsize - 1 - fraction_bits)
    magnitudes = (exponents[:, None] << fraction_bits | fractions).ravel()
    return np.concatenate([magnitudes, magnitudes | 1 << 8 * np.dtype(kind).itemsize - 1])


def random_pairs(kind: type, count: int, seed: int) -> np.ndarray:
    """Bits ``[count, 2]``: a third anything, a third of near exponents, a third nearly opposite."""
    rng = np.random.default_rng(seed)
    width, fraction_bits = 8 * np.dtype(kind).itemsize, np.finfo(kind).nmant
    x, y = rng.integers(0, 1 << width, (2, count))
    third = count // 3
    ones = (1 << fraction_bits) - 1
    exponent = (x[:third] >> fraction_bits) + rng.integers(-fraction_bits - 3, 4, third)
    y[:third] = (exponent % (1 << width - fraction_bits)) << fraction_bits | y[:third] & ones
    near = x[third : 2 * third] + rng.integers(-8, 9, third)
    y[third : 2 * third] = near % (1 << width) ^ 1 << width - 1
    return np.stack([x, y], 1)


def same_numbers(got: np.ndarray, wanted: np.ndarray, nan: int) -> np.ndarray:
    """Whether `got`, bits, are the floats `wanted` to the last bit; every NaN must be `nan`."""
    bits = wanted.view(unsigned(wanted.dtype.type))
    return got == np.where(np.isnan(wanted), nan, bits)


def check_operation(
    gateware: Callable, numpy: Callable, fmt: FloatFormat, kind: type, *, seed: int
) -> None:
    """Compiled gateware of two operands against NumPy: corners by corners, and random pairs."""
    m = Module()
    x, y = Signal(fmt.width), Signal(fmt.width)
    result = gateware(m, x, y, fmt, name="dut")
    some = corners(kind)
    some = some[:: max(1, len(some) // 700)]
    pairs = np.concatenate([
        np.array(list(itertools.product(some, some))), random_pairs(kind, 600_000, seed)
    ])  # fmt: skip
    (got,) = run_vectors(m, {"operands": [x, y]}, [result], {"operands": pairs})
    floats = pairs.astype(unsigned(kind)).view(kind)
    with np.errstate(all="ignore"):
        right = same_numbers(got, numpy(floats[:, 0], floats[:, 1]), fmt.nan)
    assert right.all(), [f"{a:x} {b:x}: {c:x}" for (a, b), c in
                         zip(pairs[~right][:5], got[~right][:5], strict=True)]  # fmt: skip
