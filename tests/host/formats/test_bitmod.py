"""BitMoD's four data types per group, with the fewest planes for all of them."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.errors import DtypeError, RangeError, ShapeError
from lutra.host.formats.bitmod import TAGS, bitmod_book, from_bitmod, quantize_bitmod
from lutra.host.formats.encoded import compare, real_weights
from lutra.host.quantize import quantize_rtn

from .golden_check import PES, check_product, device

#: The published sets (Chen et al., HPCA 2025, table I), sorted; FP4 doubled.
FP3 = [-4, -2, -1, 0, 1, 2, 4]
SPECIAL = {3: (3, -3, 6, -6), 4: (10, -10, 16, -16)}


@pytest.mark.parametrize("tag", range(4))
def test_books_are_the_published_ones(tag):
    e2m1 = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(float)
    fp4 = sorted({int(2 * value) for value in e2m1})
    assert sorted(bitmod_book(3, tag)) == sorted([*FP3, SPECIAL[3][tag]])
    assert sorted(bitmod_book(4, tag)) == sorted([*fp4, SPECIAL[4][tag]])
    assert list(np.array(bitmod_book(4, tag))[[*range(8), *range(9, 16)]]) == [
        int(2 * value) for value in e2m1[[*range(8), *range(9, 16)]]
    ]


@given(st.sampled_from([3, 4]), st.integers(1, 20), st.integers(1, 300),
       st.sampled_from([32, 128, None]), st.integers(0, 2**32 - 1),
       st.sampled_from(PES))  # fmt: skip
@settings(max_examples=40)
def test_exact(bits, n, k, size, seed, pe):
    rng = np.random.default_rng(seed)
    width = k if size is None else min(size, k)
    groups = -(-k // width)
    codes = rng.integers(0, 1 << bits, (n, k), dtype=np.uint8)
    tags = rng.integers(0, len(TAGS), (n, groups))
    scales = rng.integers(0, 256, (n, groups))
    rows = (2.0 ** rng.integers(-9, 3, n)).astype(np.float32)
    matrix = from_bitmod(codes, tags, bits, group_size=size, group_scales=scales, row_scales=rows)
    assert len(matrix.planes) == bits + 1
    books = np.array([bitmod_book(bits, tag) for tag in range(4)]) / (2 if bits == 4 else 1)
    group = np.arange(k) // width
    golden = books[tags[:, group], codes] * scales[:, group] * rows.astype(float)[:, None]
    check_product(matrix, golden, device(pe), seed=seed)


def test_quantize_chooses_tags_and_beats_rounding_to_nearest():
    w = np.random.default_rng(0).standard_normal((32, 512)).astype(np.float32)
    for bits in (3, 4):
        encoded, tags = quantize_bitmod(w, bits)
        assert set(np.unique(tags)) == {0, 1, 2, 3}
        plain = compare(quantize_rtn(w, bits, group_size=128), w)
        assert encoded.rms_error < plain.rms_error
        check_product(encoded.matrix, real_weights(encoded.matrix), device())
    lopsided = np.where(w > 0, 6 * w, w)
    tags = quantize_bitmod(lopsided.astype(np.float32), 3)[1]
    assert (tags == TAGS.index("ea+")).mean() > 0.8


def test_errors():
    codes, tags = np.zeros((2, 130), np.uint8), np.zeros((2, 2), int)
    with pytest.raises(RangeError, match="bits must be 3 or 4, not 5"):
        from_bitmod(codes, tags, 5)
    with pytest.raises(RangeError, match="tag must be from 0 to 3"):
        bitmod_book(3, 4)
    with pytest.raises(RangeError, match="tags must be from 0 to 3"):
        from_bitmod(codes, tags + 4, 3)
    with pytest.raises(DtypeError, match="tags must be integers"):
        from_bitmod(codes, tags + 0.5, 3)
    with pytest.raises(ShapeError, match=r"shape \[N, 2\]"):
        from_bitmod(codes, tags[:, :1], 3)
    with pytest.raises(ShapeError, match="tags must have 2 rows"):
        from_bitmod(codes, tags[:1], 3)
    with pytest.raises(RangeError, match="codes must be below 8, not 8"):
        from_bitmod(codes + np.uint8(8), tags, 3)
    with pytest.raises(DtypeError, match="codes must be a uint8"):
        from_bitmod(codes.astype(int), tags, 3)
    with pytest.raises(DtypeError, match="weights must be a float"):
        quantize_bitmod(np.ones((2, 2), int), 3)
    with pytest.raises(ShapeError, match="weights must have shape"):
        quantize_bitmod(np.ones(2), 3)
    with pytest.raises(RangeError, match="finite"):
        quantize_bitmod(np.full((1, 1), np.nan), 3)
