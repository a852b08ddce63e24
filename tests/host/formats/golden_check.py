"""A format's golden values against what the functional device computes with it."""

from __future__ import annotations

from functools import cache

import numpy as np

from lutra.host.accelerator import Accelerator
from lutra.host.formats.support import Combination, config_for
from lutra.host.quantized_matrix import QuantizedMatrix

__all__ = ["PES", "acts", "check_product", "device"]

PES = ("lut", "lut3", "bitserial", "add", "mac", "shiftadd")


@cache
def device(pe: str = "lut", weights: str = "int8") -> Accelerator:
    """A functional device of an element, for weights of the given format's width."""
    return Accelerator.open("golden", config=config_for(Combination(weights, "int8", pe)))


def acts(seed: int, m: int, k: int) -> np.ndarray:
    """Random activations, some rows at the ends of their range."""
    x = np.random.default_rng(seed).integers(-128, 128, (m, k)).astype(np.int8)
    x[::3] = np.where(x[::3] < 0, -128, 127)
    return x


def check_product(
    matrix: QuantizedMatrix, golden: np.ndarray, on: Accelerator, *, seed: int = 0, m: int = 3
) -> None:
    """The matrix is `golden`, float64 ``[N, K]``, exactly, and so is its product.

    The expected integers come from the golden values: ``golden / row_scale`` is exact.
    """
    rows = matrix.row_scales
    units = np.ones(len(golden)) if rows is None else rows.astype(np.float64)
    integers = golden / units[:, None]
    assert np.array_equal(integers, np.rint(integers)), "not integers of the row scales"
    assert np.array_equal(integers * units[:, None], golden)
    assert np.array_equal(matrix.integers(), integers.astype(np.int64))
    x = acts(seed, m, golden.shape[1])
    expected = x.astype(np.int64) @ integers.astype(np.int64).T
    loaded = on.load(matrix)
    try:
        y = on.matmul(x, loaded)
    finally:
        loaded.free()
    if rows is None:
        assert np.array_equal(y, expected)
    else:
        assert y.dtype == np.float32
        assert np.array_equal(y, expected.astype(np.float32) * rows)
