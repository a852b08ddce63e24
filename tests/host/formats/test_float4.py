"""FP4, MXFP4 and NVFP4 against ml_dtypes and gguf, exhaustively where that is small."""

import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.errors import DtypeError, RangeError, ShapeError
from lutra.host.formats.encoded import real_weights
from lutra.host.formats.float4 import (
    E2M1_DOUBLED,
    e4m3_values,
    e8m0_values,
    from_e2m1,
    from_mxfp4,
    from_nvfp4,
)
from lutra.host.formats.scale_split import split_group_scales

from .golden_check import PES, acts, check_product, device

E2M1 = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float64)
BYTES = np.arange(256, dtype=np.uint8)
E8M0 = BYTES.view(ml_dtypes.float8_e8m0fnu).astype(np.float64)
E4M3 = BYTES.view(ml_dtypes.float8_e4m3fn).astype(np.float64)


def test_tables_are_those_of_ml_dtypes():
    assert np.array_equal(np.array(E2M1_DOUBLED) / 2, E2M1)
    assert np.array_equal(e8m0_values(BYTES[None, :255])[0], E8M0[:255])
    numbers = ~np.isnan(E4M3)
    assert np.array_equal(e4m3_values(BYTES[None, numbers])[0], E4M3[numbers])


def test_five_planes_and_no_fewer():
    assert len(from_e2m1(BYTES[None, :16]).planes) == 5


@pytest.mark.parametrize("pe", PES)
def test_e2m1_exact(pe):
    codes = np.random.default_rng(0).integers(0, 16, (21, 70), dtype=np.uint8)
    scales = np.linspace(0.1, 3, 21).astype(np.float32)
    check_product(from_e2m1(codes), E2M1[codes], device(pe, "fp4"))
    matrix = from_e2m1(codes, row_scales=scales)
    check_product(matrix, E2M1[codes] * scales.astype(float)[:, None], device(pe, "fp4"))


# Scales up to 2**101: the products of larger ones leave float32.
@given(st.integers(1, 20), st.integers(1, 200), st.integers(0, 220), st.integers(1, 8),
       st.integers(0, 2**32 - 1), st.sampled_from(PES))  # fmt: skip
@settings(max_examples=40)
def test_mxfp4_exact_within_the_scale_bits(n, k, low, spread, seed, pe):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (n, k), dtype=np.uint8)
    scales = rng.integers(low, low + spread, (n, -(-k // 32))).astype(np.uint8)
    encoded = from_mxfp4(codes, scales)
    assert encoded.exact
    golden = E2M1[codes] * np.repeat(E8M0[scales], 32, axis=1)[:, :k]
    check_product(encoded.matrix, golden, device(pe, "fp4"), seed=seed)


def test_mxfp4_blocks_of_zeros_need_no_scale():
    codes = np.zeros((1, 96), np.uint8)
    codes[0, :32], codes[0, 64:] = 7, 8  # 6.0, then zeros, then negative zeros
    encoded = from_mxfp4(codes, np.array([[0, 254, 90]], np.uint8))
    assert encoded.exact


@given(st.integers(9, 200), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_mxfp4_rounds_to_a_bound(spread, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (8, 160), dtype=np.uint8)
    scales = rng.integers(20, 20 + spread, (8, 5)).astype(np.uint8)
    golden = E2M1[codes] * np.repeat(E8M0[scales], 32, axis=1)
    wrong = np.abs(real_weights(from_mxfp4(codes, scales).matrix) - golden)
    used = np.where((golden != 0).reshape(8, 5, 32).any(-1), E8M0[scales], 0)
    bound = 6 * used.max(1) * 2.0**-8 / 12
    assert (wrong.max(1) <= bound).all()


def test_mxfp4_split_is_exact():
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 16, (8, 160), dtype=np.uint8)
    scales = rng.integers(100, 130, (8, 5)).astype(np.uint8)
    wide = from_mxfp4(codes, scales, scale_bits=32)
    assert wide.exact
    split = split_group_scales(wide.matrix, scale_bits=8)
    golden = E2M1[codes] * np.repeat(E8M0[scales], 32, axis=1)
    assert np.array_equal(real_weights(split), golden)
    loaded = split.load(device())
    x = acts(1, 2, 160)
    y = loaded.matmul(x)
    loaded.free()
    assert np.allclose(y, x @ golden.T, rtol=1e-6)


def test_mxfp4_equals_gguf():
    rng = np.random.default_rng(2)
    blocks = rng.integers(0, 256, (6 * 4, 17), dtype=np.uint8)
    blocks[:, 0] = rng.integers(118, 125, len(blocks))
    golden = quants.dequantize(blocks, GGMLQuantizationType.MXFP4).reshape(6, 128)
    low, high = blocks[:, 1:] & 15, blocks[:, 1:] >> 4
    codes = np.concatenate([low, high], axis=1).reshape(6, 128)
    encoded = from_mxfp4(codes, blocks[:, 0].reshape(6, 4))
    assert encoded.exact
    check_product(encoded.matrix, golden.astype(np.float64), device())


@given(st.integers(1, 12), st.integers(1, 100), st.integers(8, 88), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_nvfp4_exact_over_four_binades(n, k, low, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (n, k), dtype=np.uint8)
    scales = rng.integers(low, low + 33, (n, -(-k // 16))).astype(np.uint8)
    encoded = from_nvfp4(codes, scales, tensor_scale=0.375)
    assert encoded.exact
    golden = E2M1[codes] * np.repeat(E4M3[scales], 16, axis=1)[:, :k] * 0.375
    check_product(encoded.matrix, golden, device(), seed=seed)


def test_nvfp4_all_scales_within_eighteen_bits():
    scales = BYTES[None, :127].repeat(2, axis=0)
    codes = np.random.default_rng(0).integers(0, 16, (2, 127 * 16), dtype=np.uint8)
    golden = E2M1[codes] * np.repeat(E4M3[scales], 16, axis=1)
    wide = from_nvfp4(codes, scales, scale_bits=18)
    assert wide.exact
    split = split_group_scales(wide.matrix, scale_bits=8)
    assert len(split.parts) == 3
    assert np.array_equal(real_weights(split), golden)
    narrow = from_nvfp4(codes, scales)
    assert 0 < narrow.max_error < 2e-3


def test_nvfp4_equals_gguf():
    rng = np.random.default_rng(4)
    blocks = rng.integers(0, 256, (10, 36), dtype=np.uint8)
    blocks[:, :4] = rng.integers(56, 80, (10, 4))
    golden = quants.dequantize(blocks, GGMLQuantizationType.NVFP4).reshape(10, 64)
    packed = blocks[:, 4:].reshape(10, 4, 8)
    codes = np.concatenate([packed & 15, packed >> 4], axis=-1).reshape(10, 64)
    encoded = from_nvfp4(codes, np.ascontiguousarray(blocks[:, :4]))
    assert encoded.exact
    check_product(encoded.matrix, golden.astype(np.float64), device())


def test_errors():
    codes, scales = np.zeros((2, 40), np.uint8), np.full((2, 2), 120, np.uint8)
    with pytest.raises(DtypeError, match="codes must be a uint8"):
        from_e2m1(codes.astype(int))
    with pytest.raises(RangeError, match="codes must be below 16, not 16"):
        from_mxfp4(codes + np.uint8(16), scales)
    with pytest.raises(ShapeError, match=r"scales must have shape \(2, 2\)"):
        from_mxfp4(codes, scales[:, :1])
    with pytest.raises(RangeError, match="255"):
        from_mxfp4(codes, scales * 0 + np.uint8(255))
    with pytest.raises(RangeError, match="127 and 255"):
        from_nvfp4(codes, np.full((2, 3), 127, np.uint8))
    with pytest.raises(RangeError, match="scales must not be negative"):
        from_nvfp4(codes, np.full((2, 3), 0x90, np.uint8))
    with pytest.raises(RangeError, match="tensor_scale must be positive"):
        from_nvfp4(codes, np.full((2, 3), 56, np.uint8), tensor_scale=-1.0)
