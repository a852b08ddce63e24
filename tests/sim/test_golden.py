import numpy as np
import pytest

from lutra.sim.golden import InexactError, exact_matmul, golden_product, weight_integers


def test_product_by_hand():
    codes = np.array([[0, 1, 2, 3], [3, 3, 0, 0]], np.uint8)
    x = np.array([[1, 2, 3, 4]])
    assert golden_product(x, codes, 2).tolist() == [[-2 - 2 + 0 + 4, 1 + 2 - 6 - 8]]
    zeros, scales = np.array([[0, 1], [3, 0]]), np.array([[2, 1], [5, 7]])
    y = golden_product(x, codes, 2, group_size=2, zero_points=zeros, group_scales=scales)
    assert y.tolist() == [[2 * (0 + 2) + (3 + 8), 0]]


def test_one_bit_codes():
    codes = np.array([[0, 1]], np.uint8)
    assert weight_integers(codes, 1).tolist() == [[-1, 1]]
    assert weight_integers(codes, 1, zero_points=0).tolist() == [[0, 1]]


@pytest.mark.parametrize("bits", [20, 40, 56])
def test_large_integers_are_exact(bits: int):
    """Also beyond the 53 bits of a double."""
    x = np.array([[(1 << bits) - 1, 1, -(1 << bits)]])
    w = np.array([[3, 1, 5], [1, 0, -1]])
    expected = [[int(a) for a in row] for row in x.astype(object) @ w.astype(object).T]
    assert exact_matmul(x, w).tolist() == expected


def test_what_64_bits_do_not_hold_is_an_error():
    with pytest.raises(InexactError, match="does not fit 64-bit integers"):
        exact_matmul(np.array([[1 << 61, 1 << 61]]), np.array([[4, 4]]))


def test_empty_products_are_zero():
    assert exact_matmul(np.zeros((2, 0), int), np.zeros((3, 0), int)).tolist() == [[0] * 3] * 2
