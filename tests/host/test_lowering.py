import numpy as np
import pytest

from lutra.host.errors import UnsupportedFormatError
from lutra.host.lowering import Lowering, lower
from lutra.host.matrix_layout import MatrixLayout
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.hw.config import Config
from lutra.hw.digits import digit_range

CONFIGS = {
    "lut": Config(axi_bits=32),
    "lut3": Config(pe="lut3", lookup_group=3, axi_bits=32),
    "bitserial": Config(pe="bitserial", axi_bits=32),
    "mac1": Config(pe="mac", weight_bits=1, axi_bits=32),
    "mac2": Config(pe="mac", weight_bits=2, axi_bits=32),
    "mac3": Config(pe="mac", weight_bits=3, axi_bits=32),
    "shiftadd4": Config(pe="shiftadd", weight_bits=4, max_shift=4, axi_bits=32),
    "mac8": Config(pe="mac", weight_bits=8, axi_bits=32),
}


def values_of(lowering: Lowering, codes: np.ndarray) -> np.ndarray:
    total = np.full(codes.shape, lowering.offset, np.int64)
    for digits, exponent, negative in zip(
        lowering.digits, lowering.exponents, lowering.negatives, strict=True
    ):
        total += (-1 if negative else 1) * (digits[codes].astype(np.int64) << exponent)
    return total >> int(lowering.halve)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("zeros", ["default", "low", "grid"])
def test_digits_mean_the_codes(name: str, bits: int, zeros: str):
    config = CONFIGS[name]
    rng = np.random.default_rng(bits)
    codes = rng.integers(0, 1 << bits, (6, 40), dtype=np.uint8)
    points = {"default": None, "low": 0, "grid": rng.integers(0, 1 << bits, (6, 1))}[zeros]
    matrix = QuantizedMatrix.from_codes(codes, bits, zero_points=points)
    lowering = lower(matrix, config)
    low, high, _ = digit_range(config)
    assert lowering.digits.min() >= low
    assert lowering.digits.max() <= high
    np.testing.assert_array_equal(values_of(lowering, codes), matrix.code_values[codes])
    assert lowering.magnitude <= config.max_magnitude
    MatrixLayout.of(matrix, config)  # planes and zero points fit the hardware's fields


def test_native_ternary_takes_one_plane():
    codes = np.array([[0, 1, 2, 1]], np.uint8)
    for zero in (1, None):
        shifted = codes + (zero is None)
        matrix = QuantizedMatrix.from_codes(shifted, 2, zero_points=zero)
        lowering = lower(matrix, CONFIGS["lut3"])
        assert len(lowering.exponents) == 1
        assert MatrixLayout.of(matrix, CONFIGS["lut3"]).coefficient == 0
    assert len(lower(QuantizedMatrix.from_codes(codes, 2), CONFIGS["lut"]).exponents) == 2


def test_integer_digits_take_as_few_planes_as_their_width_allows():
    codes = np.arange(256, dtype=np.uint8).reshape(2, 128)
    matrix = QuantizedMatrix.from_codes(codes, 8)
    assert len(lower(matrix, CONFIGS["mac8"]).exponents) == 1
    assert len(lower(matrix, CONFIGS["shiftadd4"]).exponents) == 2
    assert len(lower(matrix, CONFIGS["mac3"]).exponents) == 3
    assert len(lower(matrix, CONFIGS["lut"]).exponents) == 8


def test_halved_planes_need_an_odd_offset_for_group_parameters():
    lowering = Lowering(
        digits=np.zeros((2, 4), np.int8), exponents=(0, 0), negatives=(False, False),
        offset=0, halve=True,
    )  # fmt: skip
    with pytest.raises(UnsupportedFormatError, match="odd offset"):
        lowering.zero_field(np.zeros(1, np.int64))
