"""Integers, bipolar integers, ternary and any code book, on every processing element."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.errors import DtypeError, RangeError, ShapeError, UnsupportedFormatError
from lutra.host.formats.codebook import from_bipolar, from_codebook, from_integers, from_ternary

from .golden_check import PES, check_product, device

shapes = st.tuples(st.integers(1, 40), st.integers(1, 150))


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("bits", range(1, 9))
def test_integers_exact(pe, bits):
    rng = np.random.default_rng(bits)
    n, k = rng.integers(1, 50), rng.integers(1, 120)
    low = -(1 << bits - 1)
    weights = rng.integers(low, -low, (n, k))
    check_product(from_integers(weights, bits), weights.astype(float), device(pe))
    check_product(from_integers(weights - low, bits, signed=False), weights - low + 0.0, device(pe))


@pytest.mark.parametrize("pe", PES)
@pytest.mark.parametrize("size", [32, 64, 128, 256, None])
def test_groups_exact(pe, size):
    rng = np.random.default_rng(3)
    n, k = 19, 300
    groups = 1 if size is None else -(-k // size)
    weights = rng.integers(-8, 8, (n, k))
    scales = rng.integers(0, 256, (n, groups))
    rows = rng.random(n).astype(np.float32)
    matrix = from_integers(weights, 4, group_size=size, group_scales=scales, row_scales=rows)
    width = k if size is None else size
    golden = weights * np.repeat(scales, width, axis=1)[:, :k] * rows.astype(float)[:, None]
    check_product(matrix, golden, device(pe))


@pytest.mark.parametrize("bits", range(1, 9))
def test_bipolar_exact(bits):
    rng = np.random.default_rng(bits)
    codes = rng.integers(0, 1 << bits, (17, 90), dtype=np.uint8)
    golden = sum((2 * (codes.astype(int) >> i & 1) - 1) << i for i in range(bits))
    matrix = from_bipolar(codes, bits)
    assert matrix.offset == 0
    assert not matrix.halve
    check_product(matrix, golden.astype(float), device("bitserial"))
    check_product(matrix, golden.astype(float), device("lut"))


@pytest.mark.parametrize("pe", PES)
def test_ternary_exact(pe):
    weights = np.random.default_rng(1).integers(-1, 2, (33, 130)).astype(np.int8)
    matrix = from_ternary(weights, row_scales=np.full(33, 0.25, np.float32))
    assert len(matrix.planes) == 2
    check_product(matrix, weights * 0.25, device(pe, "ternary"))


@given(
    st.lists(st.integers(-128, 127), min_size=1, max_size=256), shapes, st.sampled_from(PES),
    st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=50)
def test_any_codebook_exact(values, shape, pe, only_used, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(values), shape).astype(np.uint8)
    matrix = from_codebook(codes, values, only_used=only_used)
    assert len(matrix.planes) <= 8
    check_product(matrix, np.array(values, float)[codes], device(pe), seed=seed)


def test_only_used_takes_fewer_planes():
    codes = np.array([[0, 3, 0, 3]], np.uint8)
    assert len(from_codebook(codes, (-1, 5, 7, 1)).planes) == 3
    matrix = from_codebook(codes, (-1, 5, 7, 1), only_used=True)
    assert len(matrix.planes) == 1
    assert np.array_equal(matrix.integers(), [[-1, 1, -1, 1]])


def test_errors():
    codes = np.zeros((2, 3), np.uint8)
    with pytest.raises(DtypeError, match="codes must be a uint8"):
        from_codebook(codes.astype(int), (0,))
    with pytest.raises(ShapeError, match="codes must have shape"):
        from_codebook(codes[0], (0,))
    with pytest.raises(DtypeError, match="values must be a list of integers"):
        from_codebook(codes, (0.5, 1.0))  # pyright: ignore[reportArgumentType]
    with pytest.raises(RangeError, match="values must be 1 to 256"):
        from_codebook(codes, np.arange(257))
    with pytest.raises(RangeError, match="codes must be below 2, not 3"):
        from_codebook(codes + np.uint8(3), (0, 1))
    with pytest.raises(UnsupportedFormatError, match="from 0 to 400"):
        from_codebook(codes, (0, 1, 400))
    with pytest.raises(DtypeError, match="weights must be an integer"):
        from_ternary(codes.astype(float))
    with pytest.raises(ShapeError, match="weights must have shape"):
        from_ternary(codes[0])
    with pytest.raises(RangeError, match="weights must be from -1 to 1, not 3"):
        from_ternary(codes + np.uint8(3))
    with pytest.raises(RangeError, match="bits must be from 1 to 8, not 9"):
        from_integers(codes, 9)
    with pytest.raises(DtypeError, match="bits must be an int"):
        from_bipolar(codes, 2.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RangeError, match="weights must be from 0 to 3, not -1"):
        from_integers(codes.astype(np.int8) - 1, 2, signed=False)
