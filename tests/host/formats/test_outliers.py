"""Outliers in wide weights beside a low-bit matrix, and OliVe's pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.errors import DtypeError, RangeError, ShapeError, UnsupportedFormatError
from lutra.host.formats.codebook import from_bipolar, from_ternary
from lutra.host.formats.encoded import compare
from lutra.host.formats.olive import from_olive, olive_integers
from lutra.host.formats.outliers import quantize_with_outliers, with_outliers
from lutra.host.quantize import quantize_rtn
from lutra.host.quantized_matrix import QuantizedMatrix

from .golden_check import PES, acts, check_product, device


def run(matrix, x: np.ndarray, pe: str = "lut") -> tuple[np.ndarray, dict[str, int]]:
    loaded = matrix.load(device(pe))
    try:
        return loaded.matmul(x), loaded.counters
    finally:
        loaded.free()


@given(st.integers(1, 30), st.integers(2, 150), st.sampled_from(["ternary", 2, 3, 4, 6]),
       st.sampled_from([None, 32, 48]), st.integers(1, 3), st.sampled_from(PES),
       st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=40)
def test_exact(n, k, kind, size, scale, pe, seed):
    rng = np.random.default_rng(seed)
    groups = 1 if size is None else -(-k // min(size, k))
    scales = rng.integers(1, 65, (n, groups))
    if kind == "ternary":
        dense = from_ternary(rng.integers(-1, 2, (n, k)), group_size=size, group_scales=scales)
    else:
        dense = QuantizedMatrix.from_codes(
            rng.integers(0, 1 << kind, (n, k), dtype=np.uint8), kind, group_size=size,
            zero_points=rng.integers(0, 1 << kind, (n, groups)), group_scales=scales,
        )  # fmt: skip
    count = int(rng.integers(1, min(k, 9) + 1))
    columns = rng.choice(k, count, replace=False)
    values = rng.integers(-127, 128, (n, count))
    matrix = with_outliers(dense, columns, values, scale=scale)
    golden = dense.integers().copy()
    golden[:, columns] += scale * values
    assert np.array_equal(matrix.dequantize(), golden)
    x = acts(seed, 2, k)
    y, _ = run(matrix, x, pe)
    assert np.array_equal(y, x.astype(np.int64) @ golden.T)


def test_costs_the_wide_columns_only():
    rng = np.random.default_rng(0)
    dense = QuantizedMatrix.from_codes(rng.integers(0, 4, (64, 1024), dtype=np.uint8), 2)
    matrix = with_outliers(dense, np.arange(0, 1024, 40), rng.integers(-127, 128, (64, 26)))
    _, counters = run(matrix, acts(0, 1, 1024))
    # Two planes of 32 K blocks, and four digits of two planes for the one block of outliers.
    assert counters["array_busy"] == 64 // 16 * (32 * 2 + 8)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_quantised_with_outliers_is_better(bits):
    rng = np.random.default_rng(1)
    w = rng.standard_normal((48, 512))
    w[:, [3, 90, 400]] *= 30
    encoded = quantize_with_outliers(w, bits, 3)
    assert encoded.rms_error < 0.75 * compare(quantize_rtn(w, bits), w).rms_error
    wrong = np.abs(encoded.matrix.dequantize() - w)
    assert wrong[:, [3, 90, 400]].max() <= np.abs(w).max() / 127 / 2 * 1.001
    x = acts(1, 3, 512)
    y, _ = run(encoded.matrix, x)
    assert np.allclose(y, x @ encoded.matrix.dequantize().T, rtol=1e-5, atol=1e-2)
    again = quantize_with_outliers(w, bits, np.array([3, 90, 400]), group_size=64)
    assert np.array_equal(again.matrix.dequantize(), encoded.matrix.dequantize())


def test_olive_exhaustive():
    # All pairs of codes but (8, 8), against the definition spelled out.
    table = {0: 0, 1: 12, 2: 16, 3: 24, 4: 32, 5: 48, 6: 64, 7: 96}
    pairs = [(a, b) for a in range(16) for b in range(16) if (a, b) != (8, 8)]
    wanted = []
    for a, b in pairs:
        outlier = {8: lambda c: -table[c & 7] if c > 7 else table[c]}
        normal = [c - 16 if c > 8 else c for c in (a, b)]
        if a == 8:
            wanted += [0, outlier[8](b)]
        elif b == 8:
            wanted += [outlier[8](a), 0]
        else:
            wanted += normal
    codes = np.array(pairs, np.uint8).reshape(1, -1)
    assert olive_integers(codes).tolist() == [wanted]
    matrix = from_olive(codes)
    assert len(matrix.planes) == 8
    for pe in PES:
        check_product(matrix, np.array([wanted], float), device(pe))


def test_errors():
    dense = QuantizedMatrix.from_codes(np.zeros((3, 40), np.uint8), 2)
    columns, values = np.array([1, 2]), np.zeros((3, 2), int)
    for wrong, error, text in (
        ((dense, columns * 0.5, values), DtypeError, "columns must be integers"),
        ((dense, columns, values * 0.5), DtypeError, "values must be integers"),
        ((dense, columns[:0], values), ShapeError, "columns must have shape"),
        ((dense, columns, values[:2]), ShapeError, r"values must have shape \(3, 2\)"),
        ((dense, columns + 40, values), RangeError, "columns must be from 0 to 39"),
        ((dense, columns * 0, values), RangeError, "each input once"),
        ((from_bipolar(np.zeros((3, 40), np.uint8), 2), columns, values),
         UnsupportedFormatError, "two successive integers"),
    ):  # fmt: skip
        with pytest.raises(error, match=text):
            with_outliers(*wrong)
    with pytest.raises(RangeError, match="scale must be at least 1"):
        with_outliers(dense, columns, values, scale=0)
    grouped = QuantizedMatrix.from_codes(np.zeros((3, 40), np.uint8), 2, group_size=20)
    with pytest.raises(RangeError, match="group_size must be that of dense, 20"):
        with_outliers(grouped, columns, values, group_size=32)
    with pytest.raises(RangeError, match="columns must be from 1 to 3"):
        quantize_with_outliers(np.ones((2, 4)), 2, 4)
    with pytest.raises(RangeError, match="bits must be from 2 to 7"):
        quantize_with_outliers(np.ones((2, 4)), 8, 1)
    with pytest.raises(DtypeError, match="weights must be a float"):
        quantize_with_outliers(np.ones((2, 4), int), 2, 1)
    with pytest.raises(ShapeError, match="K at least 2"):
        quantize_with_outliers(np.ones((2, 1)), 2, 1)
    codes = np.zeros((1, 4), np.uint8)
    with pytest.raises(RangeError, match="twice in a pair"):
        olive_integers(codes + np.uint8(8))
    with pytest.raises(ShapeError, match="K even"):
        olive_integers(codes[:, :3])
    with pytest.raises(DtypeError, match="codes must be a uint8"):
        olive_integers(codes.astype(int))
    with pytest.raises(RangeError, match="codes must be below 16"):
        olive_integers(codes + np.uint8(16))
    with pytest.raises(RangeError, match="bias must be from 0 to 3"):
        olive_integers(codes, bias=4)
