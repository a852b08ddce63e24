from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from lutra.gen import load_config
from lutra.host import Accelerator
from lutra.host.errors import DtypeError, RangeError, ShapeError
from lutra.host.formats.adaptive import AdaptiveMatrix
from lutra.host.graph.stacking import stack
from lutra.host.matrix_layout import MatrixLayout
from lutra.host.packed_codes import PackedCodes, row_slices
from lutra.host.packing import pack_weights
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.split import split_matrix
from lutra.host.zero_blocks import used_weights


def packed(codes: np.ndarray, bits: int) -> PackedCodes:
    result = PackedCodes(codes.shape, bits)
    result[:] = codes
    return result


@given(n=st.integers(1, 9), k=st.integers(1, 40), bits=st.integers(1, 8), seed=st.integers(0, 99))
def test_reads_like_the_array(n: int, k: int, bits: int, seed: int) -> None:
    rng = default_rng(seed)
    codes = rng.integers(0, 1 << bits, (n, k)).astype(np.uint8)
    found = packed(codes, bits)
    rows = rng.integers(0, n, 5)
    assert np.array_equal(np.asarray(found), codes)
    assert np.array_equal(found[rows], codes[rows])
    assert np.array_equal(found[n - 1], codes[n - 1])
    assert np.array_equal(found[1:3], codes[1:3])
    assert np.array_equal(found[:, k // 2 :], codes[:, k // 2 :])
    assert np.array_equal(found + np.uint8(1), codes + np.uint8(1))
    assert (found == codes).all()
    assert found.max() == codes.max()
    assert (found.shape, found.size, len(found)) == (codes.shape, codes.size, n)
    field = 1 << (bits - 1).bit_length()
    assert found.nbytes == n * -(-k * field // 8)


def test_rows_are_packed_alone() -> None:
    found = PackedCodes((6, 7), 3)
    assert not np.asarray(found).any()
    found[2:4] = np.full((2, 7), 5, np.uint8)
    assert np.asarray(found).sum(1).tolist() == [0, 0, 35, 35, 0, 0]
    copy = np.array(found)
    copy[:] = 1
    assert found[2].tolist() == [5] * 7


@pytest.mark.parametrize("grouped", [False, True])
def test_matrices_do_the_same_with_them(grouped: bool) -> None:
    """Every consumer: integers, packing, zero blocks, parts, stacks, planes, products."""
    rng = default_rng(1)
    codes = rng.integers(0, 8, (40, 96)).astype(np.uint8)
    codes[:, :32] = 4
    grids = {}
    if grouped:
        grids = {
            "group_size": 32,
            "zero_points": rng.integers(0, 8, (40, 3)),
            "group_scales": rng.integers(0, 256, (40, 3)),
        }
    plain = QuantizedMatrix.from_codes(codes, 3, **grids)
    other = replace(plain, codes=packed(codes, 3))
    assert np.array_equal(plain.integers(), other.integers())
    assert np.array_equal(plain.dequantize(), other.dequantize())
    config = load_config("w2a8")
    layouts = [MatrixLayout.of(matrix, config) for matrix in (plain, other)]
    images = [pack_weights(m, layout) for m, layout in zip((plain, other), layouts, strict=True)]
    assert np.array_equal(*images)
    used = [used_weights(m, layout) for m, layout in zip((plain, other), layouts, strict=True)]
    assert np.array_equal(*(np.zeros(0) if u is None else u for u in used))
    for axis in ("outputs", "inputs"):
        for a, b in zip(*(split_matrix(m, 2, config, axis=axis) for m in (plain, other)),
                        strict=True):  # fmt: skip
            assert np.array_equal(a.weights.integers(), b.weights.integers())
    assert np.array_equal(stack([plain, other]).integers(), np.tile(plain.integers(), (2, 1)))
    tops = [AdaptiveMatrix(matrix).top(2).integers() for matrix in (plain, other)]
    assert np.array_equal(*tops)
    x = rng.integers(-128, 128, (3, 96)).astype(np.int8)
    with Accelerator.open("golden", config="tiny") as device:
        assert np.array_equal(device.matmul(x, device.load(other)), x @ plain.integers().T)


def test_grids_take_as_little_as_they_can() -> None:
    def dtypes(top: int) -> tuple[str, str]:
        matrix = QuantizedMatrix.from_codes(
            np.zeros((2, 4), np.uint8), 8, group_size=2,
            zero_points=np.array([[0, 255], [1, 2]]), group_scales=np.array([[0, top], [1, 1]]),
        )  # fmt: skip
        assert isinstance(matrix.zero_points, np.ndarray)
        assert matrix.group_scales is not None
        return matrix.zero_points.dtype.name, matrix.group_scales.dtype.name

    assert dtypes(255) == ("uint8", "uint8")
    assert dtypes(256) == ("uint8", "uint16")
    assert dtypes(2**32 - 1) == ("uint8", "uint32")


def test_wrong_use_is_named() -> None:
    with pytest.raises(ShapeError, match=r"codes must have shape \[N, K\]"):
        PackedCodes((0, 4), 2)
    with pytest.raises(RangeError, match="bits must be from 1 to 8, not 9"):
        PackedCodes((1, 4), 9)
    found = PackedCodes((2, 4), 2)
    with pytest.raises(RangeError, match="codes must be below 4, not 7"):
        found[:] = np.full((2, 4), 7, np.uint8)
    with pytest.raises(ShapeError, match=r"codes must have shape \[n, 4\], not \(2, 5\)"):
        found[:] = np.zeros((2, 5), np.uint8)
    with pytest.raises(DtypeError, match="codes must be a uint8 array, not int64"):
        found[:] = np.zeros((2, 4), np.int64)
    wide = packed(np.full((2, 4), 7, np.uint8), 3)
    with pytest.raises(RangeError, match="codes must be below 4, not 7"):
        QuantizedMatrix.from_codes(wide, 2)
    assert repr(wide) == "PackedCodes(2 x 4, 3 bits)"


def test_slices_are_all_rows() -> None:
    assert [(s.start, s.stop) for s in row_slices((7, 10), 30)] == [(0, 3), (3, 6), (6, 7)]
    assert [(s.start, s.stop) for s in row_slices((2, 10), 1)] == [(0, 1), (1, 2)]
