import numpy as np
import pytest

from lutra.host.errors import DtypeError, LutraError, RangeError, ShapeError
from lutra.host.quantized_matrix import Plane, QuantizedMatrix
from lutra.sim.golden import weight_integers

CODES = np.arange(24, dtype=np.uint8).reshape(4, 6) % 4


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("group_size", [None, 4, 6, 7])
@pytest.mark.parametrize("zeros", ["none", "one", "grid"])
def test_integers_are_those_of_the_definition(bits: int, group_size: int | None, zeros: str):
    rng = np.random.default_rng(bits)
    codes = rng.integers(0, 1 << bits, (5, 13), dtype=np.uint8)
    groups = 1 if group_size is None else -(-13 // group_size)
    points = {"none": None, "one": (1 << bits) - 1, "grid": rng.integers(0, 1 << bits, (5, groups))}
    scales = rng.integers(0, 256, (5, groups))
    options = {"group_size": group_size, "zero_points": points[zeros], "group_scales": scales}
    matrix = QuantizedMatrix.from_codes(codes, bits, **options)
    expected = weight_integers(codes, bits, **options)
    np.testing.assert_array_equal(matrix.integers(), expected)
    np.testing.assert_array_equal(matrix.integers(slice(1, 3)), expected[1:3])
    assert matrix.shape == (5, 13)
    assert matrix.groups == groups


def test_one_bit_codes_are_minus_and_plus_one():
    codes = np.array([[0, 1]], np.uint8)
    assert QuantizedMatrix.from_codes(codes, 1).integers().tolist() == [[-1, 1]]
    with_zero = QuantizedMatrix.from_codes(codes, 1, zero_points=np.array([[1]]))
    assert with_zero.integers().tolist() == [[-1, 0]]


def test_dequantize_applies_row_scales():
    scales = np.array([0.5, 1, 2, 4], np.float32)
    matrix = QuantizedMatrix.from_codes(CODES, 2, row_scales=scales)
    dense = matrix.dequantize()
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(dense, (CODES.astype(np.float32) - 2) * scales[:, None])


def test_planes_of_any_place_and_sign():
    """Two planes of the same place, one of them taken off: -2, 0, 0, 2."""
    matrix = QuantizedMatrix(
        codes=CODES, bits=2, planes=(Plane(1, 0), Plane(0, 0, negative=True)), offset=0
    )
    assert matrix.code_values.tolist() == [0, -2, 2, 0]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"codes": CODES.astype(np.int64)}, DtypeError, "codes must be a uint8 array, not int64"),
        ({"codes": [[1]]}, DtypeError, "codes must be a uint8 array, not list"),
        ({"codes": CODES[0]}, ShapeError, r"codes must have shape \[N, K\]"),
        ({"codes": CODES[:0]}, ShapeError, "at least 1"),
        ({"codes": CODES[:, :0]}, ShapeError, "at least 1"),
        ({"bits": 1}, RangeError, "codes must be below 2, not 3"),
        ({"bits": 9}, RangeError, "bits must be from 1 to 8, not 9"),
        ({"bits": 2.0}, DtypeError, r"bits must be an int, not 2\.0"),
        ({"group_size": 0}, RangeError, "group_size must be at least 1, not 0"),
        ({"group_size": 2.0}, DtypeError, "group_size must be an int or None"),
        ({"zero_points": 4}, RangeError, "zero_points must be from 0 to 3, not 4"),
        ({"zero_points": np.full((4, 1), -1)}, RangeError, "zero_points must be from 0 to 3"),
        ({"zero_points": np.zeros((4, 1))}, DtypeError, "zero_points must be integers"),
        ({"zero_points": np.zeros((4, 2), int)}, ShapeError, r"shape \(4, 1\), not \(4, 2\)"),
        ({"group_scales": np.full((4, 1), -1)}, RangeError, "group_scales must be from 0"),
        ({"row_scales": np.ones(3, np.float32)}, ShapeError, r"row_scales must have shape \(4,\)"),
        ({"row_scales": np.ones(4, int)}, DtypeError, "row_scales must be float32"),
        ({"row_scales": np.full(4, np.nan)}, RangeError, "row_scales must be finite"),
    ],
)
def test_wrong_fields_are_named(options: dict, error: type[LutraError], text: str):
    arguments = {"codes": CODES, "bits": 2, **options}
    with pytest.raises(error, match=text):
        QuantizedMatrix.from_codes(arguments.pop("codes"), arguments.pop("bits"), **arguments)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"planes": ()}, "planes must be 1 to 16, not 0"),
        ({"planes": (Plane(0, 1),)}, "falling exponents down to 0"),
        ({"planes": (Plane(0, 0), Plane(1, 1))}, "falling exponents down to 0"),
        ({"planes": (Plane(2, 0),)}, "bits below 2, not 2"),
        ({"planes": (Plane(0, 0),), "halve": True}, "offset must make every value even"),
    ],
)
def test_wrong_planes_are_named(options: dict, text: str):
    with pytest.raises(RangeError, match=text):
        QuantizedMatrix(codes=CODES, bits=2, **options)
