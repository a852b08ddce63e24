from itertools import pairwise

import numpy as np
import pytest

from lutra.hw.table import (
    build_table,
    decode_bits,
    decode_groups,
    decode_signs,
    encode_bits,
    encode_groups,
    encode_signs,
    gray_order,
    lookup,
    sign_parent,
)

SHAPES = [(group, tables) for group in (2, 3, 4, 5, 6) for tables in (1, 2, 3, 5, 7, 8, 13)]


def random_bits(group: int, tables: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(group * 100 + tables)
    bits = rng.integers(0, 2, (20, tables, group), dtype=np.uint8)
    bits[0], bits[1] = 0, 1
    return bits, rng.integers(-128, 128, (tables, group))


@pytest.mark.parametrize("group", range(2, 7))
def test_gray_order_visits_every_entry_in_single_steps(group: int):
    order = gray_order(group)
    assert order[0] == (1 << group - 1) - 1
    assert sorted(order) == list(range(1 << group - 1))
    assert all(int(a ^ b).bit_count() == 1 for a, b in pairwise(order))


@pytest.mark.parametrize(("group", "tables"), SHAPES)
def test_lookup_is_the_signed_sum(group: int, tables: int):
    bits, x = random_bits(group, tables)
    index, sign = encode_groups(bits)
    sums = lookup(build_table(x), index, sign)
    np.testing.assert_array_equal(sums, ((2 * bits.astype(int) - 1) * x).sum((-1, -2)))


@pytest.mark.parametrize(("group", "tables"), SHAPES)
def test_encoding_is_inverted(group: int, tables: int):
    bits, _ = random_bits(group, tables)
    index, sign = encode_groups(bits)
    np.testing.assert_array_equal(decode_groups(index, sign, group), bits)
    np.testing.assert_array_equal(decode_bits(encode_bits(bits)), bits)
    np.testing.assert_array_equal(decode_signs(encode_signs(sign)), sign)


def test_convention():
    """The definition, written out for one group and for the signs of three tables."""
    bits = np.array([[[1, 0, 1, 0]]], np.uint8)  # s = 1, so the index is 0b010 inverted: 0b010
    index, sign = encode_groups(bits)
    assert (index[0, 0], sign[0, 0]) == (0b010, 1)
    x = np.array([1, 10, 100, 1000])
    table = build_table(x)
    assert table[0b111] == 1111
    assert table[0b010] == 1000 + 10 - 1 - 100
    signs = np.array([1, 1, 0], np.uint8)  # of tables 0, 1, 2; parents of 1 and 2 are 0
    np.testing.assert_array_equal(encode_signs(signs), [1, 0, 1])


def test_sign_parent_is_the_left_operands_leaf():
    assert sign_parent(8).tolist() == [0, 0, 0, 2, 0, 4, 4, 6]
    signs = np.random.default_rng(0).integers(0, 2, (50, 11), dtype=np.uint8)
    expected = signs ^ np.where(np.arange(11) > 0, signs[:, sign_parent(11)], 0)
    np.testing.assert_array_equal(encode_signs(signs), expected)


def test_lookup_group_must_be_two():
    with pytest.raises(ValueError, match="lookup_group must be at least 2, not 1"):
        gray_order(1)
