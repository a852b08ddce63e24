import numpy as np
import pytest

from lutra.host.errors import DtypeError, RangeError, ShapeError
from lutra.host.quantize import quantize_rtn, quantize_ternary

WEIGHTS = np.random.default_rng(0).normal(size=(12, 100)).astype(np.float32)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("group_size", [None, 32, 33])
@pytest.mark.parametrize("symmetric", [True, False])
def test_rtn_is_within_half_a_step(bits: int, group_size: int | None, symmetric: bool):
    matrix = quantize_rtn(WEIGHTS, bits, group_size=group_size, symmetric=symmetric)
    assert matrix.row_scales is not None
    scale = matrix.row_scales[:, None]
    if matrix.group_scales is not None:
        assert matrix.group_scales.max() == 255
        per_input = np.repeat(matrix.group_scales, matrix.group_width, 1)[:, :100]
        scale = scale * per_input
    error = np.abs(matrix.dequantize() - WEIGHTS)
    # Rounding the zero point costs up to another half step at the ends of the range.
    assert (error <= scale * (0.501 if symmetric else 1.001)).all()


def test_more_bits_and_smaller_groups_are_better():
    def error(**options) -> float:
        bits = options.pop("bits")
        return float(((quantize_rtn(WEIGHTS, bits, **options).dequantize() - WEIGHTS) ** 2).mean())

    assert error(bits=4) < error(bits=3) < error(bits=2)
    assert error(bits=3, group_size=16) < error(bits=3)
    skewed = quantize_rtn(np.abs(WEIGHTS), 3, symmetric=False).dequantize()
    even = quantize_rtn(np.abs(WEIGHTS), 3).dequantize()
    assert ((skewed - abs(WEIGHTS)) ** 2).mean() < ((even - abs(WEIGHTS)) ** 2).mean()


def test_one_bit_is_sign_times_mean():
    matrix = quantize_rtn(WEIGHTS, 1)
    expected = np.where(WEIGHTS >= 0, 1, -1) * np.abs(WEIGHTS).mean(1, keepdims=True)
    np.testing.assert_allclose(matrix.dequantize(), expected, rtol=1e-6)


def test_ternary_is_absmean():
    """BitNet b1.58: round to nearest of W / mean|W|, clipped to -1, 0, 1."""
    scale = np.abs(WEIGHTS).mean()
    matrix = quantize_ternary(WEIGHTS)
    expected = np.clip(np.rint(WEIGHTS / scale), -1, 1)
    np.testing.assert_array_equal(matrix.integers(), expected)
    np.testing.assert_allclose(matrix.row_scales, scale, rtol=1e-6)
    rows = quantize_ternary(WEIGHTS, per="row")
    np.testing.assert_allclose(rows.row_scales, np.abs(WEIGHTS).mean(1), rtol=1e-6)


def test_all_zero_weights_stay_zero():
    zeros = np.zeros((2, 40), np.float32)
    for matrix in (quantize_ternary(zeros), quantize_rtn(zeros, 4, group_size=8)):
        assert not matrix.dequantize().any()


def test_wrong_arguments_are_named():
    with pytest.raises(DtypeError, match="weights must be a float array, not int64"):
        quantize_rtn(np.ones((2, 2), np.int64), 4)
    with pytest.raises(ShapeError, match="both at least 1"):
        quantize_ternary(np.ones((0, 2), np.float32))
    with pytest.raises(RangeError, match="weights must be finite"):
        quantize_ternary(np.full((1, 2), np.inf, np.float32))
    with pytest.raises(RangeError, match="bits must be from 1 to 8, not 0"):
        quantize_rtn(WEIGHTS, 0)
    with pytest.raises(DtypeError, match="bits must be an int"):
        quantize_rtn(WEIGHTS, 2.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RangeError, match="group_size must be at least 1"):
        quantize_rtn(WEIGHTS, 4, group_size=0)
    with pytest.raises(RangeError, match="scale_bits must be from 1 to 16"):
        quantize_rtn(WEIGHTS, 4, group_size=10, scale_bits=0)
    with pytest.raises(RangeError, match="per must be 'tensor' or 'row'"):
        quantize_ternary(WEIGHTS, per="column")  # pyright: ignore[reportArgumentType]
