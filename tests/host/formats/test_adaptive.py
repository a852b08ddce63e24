"""Adaptive precision: any number of the top planes, from one image in the device's memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.errors import RangeError, ShapeError, UnsupportedFormatError
from lutra.host.formats.adaptive import AdaptiveMatrix
from lutra.host.formats.codebook import from_bipolar
from lutra.host.quantized_matrix import QuantizedMatrix

from .golden_check import acts, device


def random_matrix(rng, n, k, bits, size, kind) -> QuantizedMatrix:
    groups = 1 if size is None else -(-k // min(size, k))
    zeros = None
    if kind != "symmetric":
        zeros = rng.integers(0, 1 << bits, (n, groups))
    return QuantizedMatrix.from_codes(
        rng.integers(0, 1 << bits, (n, k), dtype=np.uint8),
        bits,
        group_size=size,
        zero_points=zeros,
        row_scales=rng.random(n).astype(np.float32) if kind == "scaled" else None,
    )


@given(st.integers(1, 30), st.integers(1, 120), st.integers(2, 8),
       st.sampled_from([None, 16, 33]), st.sampled_from(["symmetric", "zeros", "scaled"]),
       st.sampled_from(["lut", "bitserial", "add"]), st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=40)
def test_products_are_those_of_the_rounded_weights(n, k, bits, size, kind, pe, seed):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, n, k, bits, size, kind)
    adaptive = AdaptiveMatrix(matrix)
    loaded = adaptive.load(device(pe))
    x = acts(seed, 2, k)
    for planes in range(bits, 0, -1):
        for rounding in ("midpoint", "nearest"):
            y = loaded.matmul(x, planes=planes, rounding=rounding)
            golden = x @ adaptive.dequantize(planes, rounding).T
            if kind == "scaled":
                assert np.allclose(y, golden, rtol=1e-5, atol=1e-4)
            else:
                assert np.array_equal(y, golden)
    loaded.free()


@pytest.mark.parametrize("bits", range(2, 9))
def test_rounding_of_every_code(bits):
    # All codes with all zero points: the rounding itself, by its definition.
    top = 1 << bits
    codes = np.tile(np.arange(top, dtype=np.uint8), (top, 1))
    zeros = np.arange(top)[:, None]
    adaptive = AdaptiveMatrix(QuantizedMatrix.from_codes(codes, bits, zero_points=zeros))
    exact = codes.astype(float) - zeros
    assert np.array_equal(adaptive.dequantize(bits), exact)
    for planes in range(1, bits):
        step = 1 << bits - planes
        middle = codes // step * step + (step - 1) / 2
        nearest = np.floor(codes / step + 0.5) * step
        for rounding, wanted in (("midpoint", middle), ("nearest", nearest)):
            found = adaptive.dequantize(planes, rounding)
            shift = found - (wanted - zeros)
            # The zero point is rounded by the same amount for all codes, by a quarter step at most.
            assert (shift == shift[:, :1]).all()
            assert np.abs(shift).max() <= step / 4
            at = shift[zeros[:, 0] % step == 0]
            assert (at == (0.5 if rounding == "midpoint" else 0)).all()
        assert np.abs(middle - codes).max() == (step - 1) / 2
        assert (codes - codes // step * step).max() == step - 1  # what truncation would do


def test_planes_left_out_cost_nothing():
    rng = np.random.default_rng(0)
    matrix = random_matrix(rng, 256, 512, 8, None, "symmetric")
    on = device("lut")
    before = on.memory.available
    loaded = AdaptiveMatrix(matrix).load(on)
    stored = before - on.memory.available
    x = acts(0, 1, 512)
    busy, read = {}, {}
    for planes in (8, 4, 2, 1):
        loaded.matmul(x, planes=planes)
        busy[planes], read[planes] = (on.counters[name] for name in ("array_busy", "bytes_read"))
    assert busy == {p: 256 // 16 * 512 // 32 * p for p in busy}
    assert read[4] < 0.53 * read[8]
    assert read[1] < 0.16 * read[8]
    # Views share the image: what they add are programs and group parameters, no weights.
    views = before - on.memory.available - stored
    assert views < 0.3 * stored
    loaded.free()
    native = on.load(matrix)
    on.matmul(x, native)
    assert on.counters["array_busy"] == busy[8]
    native.free()


@given(st.integers(1, 40), st.integers(40, 160), st.integers(2, 8),
       st.sampled_from(["symmetric", "zeros"]), st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=25)
def test_zero_activations_are_left_out_of_every_plane(n, k, bits, kind, seed):
    rng = np.random.default_rng(seed)
    adaptive = AdaptiveMatrix(random_matrix(rng, n, k, bits, 32, kind))
    loaded = adaptive.load(device())
    x = acts(seed, 2, k)
    x[:, 32:64] = 0  # a K block of each plane
    for planes in range(1, bits + 1):
        golden = x @ adaptive.dequantize(planes).T
        assert np.array_equal(loaded.matmul(x, planes=planes), golden)
        every = loaded.counters["array_busy"]
        assert np.array_equal(loaded.matmul(x, planes=planes, skip_zeros=True), golden)
        blocks = -(-k // 32)
        assert loaded.counters["array_busy"] * blocks == every * max(blocks - 1, 1)
    loaded.free()


def test_errors():
    codes = np.zeros((3, 4), np.uint8)
    with pytest.raises(UnsupportedFormatError, match="plain codes"):
        AdaptiveMatrix(from_bipolar(codes, 4))
    with pytest.raises(UnsupportedFormatError, match="plain codes"):
        AdaptiveMatrix(QuantizedMatrix.from_codes(codes, 1))
    adaptive = AdaptiveMatrix(QuantizedMatrix.from_codes(codes, 4))
    loaded = adaptive.load(device())
    with pytest.raises(RangeError, match="planes must be from 1 to 4, not 5"):
        loaded.matmul(np.zeros((1, 4), np.int8), planes=5)
    with pytest.raises(RangeError, match="rounding must be"):
        adaptive.top(2, "down")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ShapeError, match=r"x must have shape \[M, 4\]"):
        loaded.matmul(np.zeros((1, 5), np.int8))
    other = device().load(QuantizedMatrix.from_codes(codes, 4))
    with pytest.raises(ShapeError, match="image must begin with weights"):
        device().load(adaptive.top(2), image=other)
