"""Sums of products, and rows of different widths."""

import numpy as np
import pytest

from lutra.host.errors import DtypeError, LutraError, RangeError, ShapeError, UnsupportedFormatError
from lutra.host.formats.adaptive import AdaptiveMatrix
from lutra.host.formats.codebook import from_integers
from lutra.host.formats.composite import CompositeMatrix, Part
from lutra.host.formats.mixed_widths import from_rows, quantize_mixed

from .golden_check import PES, acts, device


def test_rows_columns_and_exponents():
    rng = np.random.default_rng(0)
    w0, w1 = rng.integers(-8, 8, (20, 50)), rng.integers(-2, 2, (7, 90))
    rows, columns = rng.choice(20, 7, replace=False), rng.integers(-1, 50, 90)
    matrix = CompositeMatrix((20, 50), [
        Part(matrix=from_integers(w0, 4)),
        Part(matrix=from_integers(w1, 2), rows=rows, columns=columns, exponent=3),
    ])  # fmt: skip
    golden = w0.astype(float)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if column >= 0:
                golden[row, column] += 8 * w1[i, j]
    assert matrix.integer
    assert np.array_equal(matrix.dequantize(), golden)
    x = acts(0, 3, 50)
    loaded = matrix.load(device())
    y = loaded.matmul(x)
    assert y.dtype == np.int64
    assert np.array_equal(y, x @ golden.T)
    assert loaded.counters["array_busy"] > 0
    assert loaded.shape == (20, 50)
    loaded.free()


def test_the_accelerator_takes_composites_like_any_matrix():
    rng = np.random.default_rng(4)
    weights = rng.integers(-8, 8, (9, 30))
    matrix = CompositeMatrix((9, 30), [
        Part(matrix=from_integers(weights[:6], 4), rows=np.arange(6)),
        Part(matrix=from_integers(weights[6:], 4), rows=np.arange(6, 9)),
    ])  # fmt: skip
    on, x = device(), acts(1, 2, 30)
    loaded = on.load(matrix)
    assert np.array_equal(on.matmul(x, loaded), x @ weights.T)
    assert on.counters == loaded.counters
    assert on.counters["array_busy"] > 0
    with pytest.raises(UnsupportedFormatError, match="exponents must be None for a LoadedComp"):
        on.matmul(x, loaded, exponents=np.zeros((2, 1), np.int64))
    with pytest.raises(LutraError, match="this accelerator"):
        device("add").matmul(x, loaded)
    adaptive = on.load(AdaptiveMatrix(from_integers(weights, 4)))
    assert np.array_equal(on.matmul(x, adaptive), x @ weights.T)
    for there in (loaded, adaptive):
        there.free()
    with pytest.raises(DtypeError, match="QuantizedMatrix, not CompositeMatrix"):
        on.load(matrix, image=on.load(from_integers(weights, 4)))  # pyright: ignore
    with pytest.raises(DtypeError, match="QuantizedMatrix, not list"):
        on.load([1])  # pyright: ignore


@pytest.mark.parametrize("pe", PES)
def test_rows_of_several_widths(pe):
    rng = np.random.default_rng(1)
    w = rng.standard_normal((45, 130)).astype(np.float32)
    widths = rng.choice([2, 4, 8], 45)
    encoded = quantize_mixed(w, widths, group_size=64)
    wrong = np.abs(encoded.matrix.dequantize() - w)
    assert wrong[widths == 8].max() < wrong[widths == 4].max() < wrong[widths == 2].max()
    x = acts(1, 3, 130)
    loaded = encoded.matrix.load(device(pe))
    y = loaded.matmul(x)
    loaded.free()
    assert y.dtype == np.float32
    assert np.allclose(y, x @ encoded.matrix.dequantize().T, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("pe", PES)
def test_zero_blocks_of_every_part_are_left_out(pe):
    rng = np.random.default_rng(3)
    w, x = rng.integers(-8, 8, (37, 300)), acts(3, 3, 300)
    w[:, 100:200], x[:, 220:] = 0, 0
    wide = w.copy()
    wide[::4] = rng.integers(-100, 100, wide[::4].shape)
    wide[::4, 100:200] = 0
    rest = np.setdiff1d(np.arange(37), np.arange(0, 37, 4))
    matrix = from_rows({
        8: (np.arange(0, 37, 4), from_integers(wide[::4], 8)),
        4: (rest, from_integers(w[rest], 4)),
    })  # fmt: skip
    full = from_rows({8: (np.arange(37), from_integers(np.where(wide, wide, 1), 8))})
    on = device(pe)
    loaded, dense = on.load(matrix), on.load(full)
    assert np.array_equal(on.matmul(x, loaded), x.astype(int) @ wide.T)
    some = on.counters["array_busy"]
    assert np.array_equal(on.matmul(x, loaded, skip_zeros=True), x.astype(int) @ wide.T)
    fewest = on.counters["array_busy"]
    on.matmul(x, dense)
    assert fewest < some < on.counters["array_busy"]
    for there in (loaded, dense):
        there.free()


def test_matrices_of_several_widths_side_by_side():
    rng = np.random.default_rng(2)
    x = acts(2, 2, 40)
    loaded = []
    for bits in range(1, 9):
        low = -(1 << bits - 1)
        w = rng.integers(low, -low, (11, 40))
        loaded.append((w, device().load(from_integers(w, bits))))
    for w, matrix in loaded:
        assert np.array_equal(device().matmul(x, matrix), x.astype(int) @ w.T)


def test_nothing_stays_where_a_part_cannot_be_loaded():
    good = from_integers(np.zeros((3, 4), int), 2)
    bad = from_integers(np.zeros((3, 4), int), 2, group_scales=np.full((3, 1), 10**6))
    before = device().memory.available
    with pytest.raises(UnsupportedFormatError, match="group_scales"):
        CompositeMatrix((3, 4), [Part(matrix=good), Part(matrix=bad)]).load(device())
    assert device().memory.available == before


def test_errors():
    matrix = from_integers(np.zeros((3, 4), int), 2)
    every, three = np.arange(4), np.arange(3)
    for parts, error, text in (
        ([], ShapeError, "at least one"),
        ([Part(matrix=matrix, columns=every)], ShapeError, "rows must be given"),
        ([Part(matrix=matrix, rows=three)], ShapeError, "columns must be given"),
        ([Part(matrix=matrix, rows=three * 0, columns=every)], RangeError, "each output"),
        ([Part(matrix=matrix, rows=three, columns=every + 9)], RangeError, "columns must be from"),
        ([Part(matrix=matrix, rows=three - 1, columns=every)], RangeError, "rows must be from 0"),
        ([Part(matrix=matrix, rows=three / 2, columns=every)], DtypeError, "rows must be integers"),
        ([Part(matrix=matrix, rows=every, columns=every)], ShapeError, "rows must have shape"),
    ):
        with pytest.raises(error, match=text):
            CompositeMatrix((9, 12), parts)
    loaded = CompositeMatrix((3, 4), [Part(matrix=matrix)]).load(device())
    with pytest.raises(ShapeError, match=r"x must have shape \[M, 4\]"):
        loaded.matmul(np.zeros((1, 5), np.int8))
    with pytest.raises(ShapeError, match="parts must be at least one"):
        from_rows({})
    with pytest.raises(RangeError, match="rows must name each of 3 outputs once"):
        from_rows({2: (three + 1, matrix)})
    other = from_integers(np.zeros((1, 5), int), 2)
    with pytest.raises(ShapeError, match="same inputs"):
        from_rows({2: (three, matrix), 3: (np.array([3]), other)})
    with pytest.raises(ShapeError, match=r"widths must have shape \(3,\)"):
        quantize_mixed(np.ones((3, 4)), np.array([2]))
    with pytest.raises(DtypeError, match="widths must be integers"):
        quantize_mixed(np.ones((3, 4)), np.array([2.0, 2, 2]))
