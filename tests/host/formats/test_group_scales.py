"""Integer group scales: exact where they can be, near where not; wide ones in several products."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lutra.host.errors import DtypeError, RangeError, ShapeError
from lutra.host.formats.codebook import from_integers
from lutra.host.formats.encoded import real_weights
from lutra.host.formats.group_scales import exact_scales, integer_scales
from lutra.host.formats.scale_split import split_group_scales

from .golden_check import acts, device

grids = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)


@given(grids.flatmap(lambda s: hnp.arrays(np.int64, s, elements=st.integers(0, 255))),
       st.integers(-60, 60))  # fmt: skip
@settings(max_examples=60)
def test_exact_where_integers_fit(integers, exponent):
    scales = np.ldexp(integers.astype(np.float64), exponent)
    found = integer_scales(scales, scale_bits=8)
    assert found.exact.all()
    assert found.integers.max() <= 255
    assert np.array_equal(found.integers * found.row.astype(float)[:, None], scales)


@given(grids.flatmap(lambda s: hnp.arrays(
    np.float32, s, elements=st.floats(0, 1e6, width=32, allow_subnormal=False))),
    st.integers(2, 16))  # fmt: skip
@settings(max_examples=60)
def test_half_a_unit_off(scales, bits):
    found = integer_scales(scales, scale_bits=bits)
    unit = found.row.astype(float)[:, None]
    wrong = np.abs(found.integers * unit - scales)
    assert found.integers.max() < 1 << bits
    assert (found.integers[scales > 0] > 0).all()
    counted = scales >= unit
    assert (wrong[counted] <= np.broadcast_to(0.5 * unit, scales.shape)[counted] * (1 + 1e-6)).all()
    rounded = ~found.exact
    largest = scales[rounded].max(1, keepdims=True)
    assert (unit[rounded] <= largest / 2 ** (bits - 1) * (1 + 1e-6)).all()


def test_far_apart():
    scales = np.array([[2.0**-60, 1.0], [2.0**-10, 0.0]])
    found = exact_scales(scales, scale_bits=8)
    assert found.exact.tolist() == [False, True]
    assert found.integers.tolist() == [[1, 2**60], [1, 0]]
    assert exact_scales(np.array([[2.0**-80, 1.0]]), scale_bits=8).integers.tolist() == [[0, 0]]


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_split_exact(bits, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-4, 4, (9, 100))
    scales = rng.integers(0, 2 ** rng.integers(1, 31, (9, 4)))
    matrix = from_integers(weights, 3, group_size=32, group_scales=scales)
    split = split_group_scales(matrix, scale_bits=bits)
    assert all(part.matrix.group_scales.max() < 1 << bits for part in split.parts)
    assert np.array_equal(real_weights(split), matrix.integers().astype(float))
    x = acts(seed, 2, 100)
    loaded = split.load(device())
    y = loaded.matmul(x)
    loaded.free()
    assert np.array_equal(y, x.astype(np.int64) @ matrix.integers().T)


def test_errors():
    with pytest.raises(DtypeError, match="scales must be floats"):
        integer_scales(np.ones((1, 1), int), scale_bits=8)
    with pytest.raises(ShapeError, match="scales must have shape"):
        integer_scales(np.ones(3), scale_bits=8)
    with pytest.raises(RangeError, match="finite and not negative"):
        integer_scales(-np.ones((1, 1)), scale_bits=8)
    with pytest.raises(RangeError, match="scale_bits must be from 1 to 32, not 0"):
        integer_scales(np.ones((1, 1)), scale_bits=0)
    with pytest.raises(RangeError, match="scales of row 0 must span at most 20 bits"):
        integer_scales(np.array([[1.0, 1 / 3]]), scale_bits=20)
    with pytest.raises(RangeError, match="scale_bits must be at least 1"):
        split_group_scales(from_integers(np.zeros((1, 1), int), 2), scale_bits=0)
