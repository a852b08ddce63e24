"""Products of real activations: exact where they can be, within their bound everywhere."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.accelerator import Accelerator
from lutra.host.activation_formats import BIPOLAR, FORMATS, NUMBER_TYPES, format_activations
from lutra.host.block_scaling import block_scaled
from lutra.host.errors import UnsupportedFormatError
from lutra.host.float_matrix import FloatMatrix
from lutra.host.formats.codebook import from_bipolar
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.hw.config import Config

SHAPES = {
    "lut": {"tables": 2, "lookup_group": 4},
    "lut3": {"tables": 3, "lookup_group": 3, "lanes": 8},
    "bitserial": {"tables": 2, "lookup_group": 4},
    "mac": {"tables": 2, "lookup_group": 4},
}


@cache
def device(pe: str, act_bits: int = 16) -> Accelerator:
    config = Config(
        name=pe, pe=pe, act_bits=act_bits, act_exponent_bits=3, psum_bits=64,
        **{"lanes": 4, "axi_bits": 32, **SHAPES[pe]},
    )  # fmt: skip
    return Accelerator.open("golden", config=config)


def weights_of(rng: np.random.Generator, n: int, k: int, *, scaled: bool) -> QuantizedMatrix:
    size = int(rng.integers(1, k + 1))
    groups = -(-k // size)
    return QuantizedMatrix.from_codes(
        rng.integers(0, 16, (n, k)).astype(np.uint8), 4, group_size=size,
        zero_points=rng.integers(0, 16, (n, groups)),
        group_scales=rng.integers(0, 200, (n, groups)),
        row_scales=rng.normal(size=n).astype(np.float32) if scaled else None,
    )  # fmt: skip


def real_activations(rng: np.random.Generator, m: int, k: int) -> np.ndarray:
    """Rows of all kinds: normal, skewed, some zeros, and magnitudes that differ a lot."""
    x = rng.normal(size=(m, k)) * 2.0 ** rng.integers(-12, 13, (m, 1))
    x *= np.exp(rng.normal(size=k) * rng.choice([0, 1, 3]))
    return np.clip(np.where(rng.random((m, k)) < 0.2, 0, x), -6e4, 6e4)


def exact(x: np.ndarray, weights: QuantizedMatrix) -> list[list[Fraction]]:
    w = weights.integers()
    scales = np.ones(len(w)) if weights.row_scales is None else weights.row_scales

    def product(row: np.ndarray, column: np.ndarray, scale: float) -> Fraction:
        terms = (Fraction(float(a)) * int(b) for a, b in zip(row, column, strict=True))
        return sum(terms, Fraction(0)) * Fraction(float(scale))

    return [[product(row, c, s) for c, s in zip(w, scales, strict=True)] for row in x]


@settings(max_examples=12)
@pytest.mark.parametrize("pe", SHAPES)
@given(seed=st.integers(0, 2**32), format=st.sampled_from(FORMATS), scaled=st.booleans())
def test_products_are_within_their_bound(pe, seed, format, scaled):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 10)), int(rng.integers(1, 40))
    weights = weights_of(rng, n, k, scaled=scaled)
    x = real_activations(rng, int(rng.integers(1, 4)), k)
    bits = int(rng.integers(4, 17)) if format in NUMBER_TYPES else None
    matrix = FloatMatrix(device(pe), weights)
    y = matrix.matmul(x, format=format, mantissa_bits=bits)
    bound = matrix.error_bound(x, format=format, mantissa_bits=bits)
    matrix.free()
    assert y.dtype == np.float32
    for found, golden, most in zip(y, exact(x, weights), bound, strict=True):
        for a, b, limit in zip(found, golden, most, strict=True):
            assert abs(Fraction(float(a)) - b) <= Fraction(limit)


@pytest.mark.parametrize("pe", SHAPES)
@pytest.mark.parametrize("format", NUMBER_TYPES)
def test_result_is_the_exact_sum_of_what_was_encoded(pe, format):
    rng = np.random.default_rng(5)
    weights = weights_of(rng, 6, 30, scaled=False)
    acts = format_activations(real_activations(rng, 3, 30), format)
    matrix = FloatMatrix(device(pe), weights)
    loaded = device(pe).load(weights)
    encoded = block_scaled(acts.values, loaded.layout, mantissa_bits=16).values(loaded.layout)
    wanted = [[float(v) for v in row] for row in exact(encoded * acts.scales[:, None], weights)]
    assert np.array_equal(matrix.matmul(acts), np.array(wanted).astype(np.float32))


def test_float8_is_exact_with_sixteen_bit_mantissas():
    """Numbers of e4m3 from 2**-3 on are multiples of 2**-6 below 2**9: sixteen bits with sign."""
    rng = np.random.default_rng(1)
    weights = weights_of(rng, 6, 64, scaled=False)
    numbers = rng.integers(0, 256, (4, 64)).astype(np.uint8).view(NUMBER_TYPES["e4m3"])
    x = numbers.astype(np.float64)
    x = np.where(np.isfinite(x) & (np.abs(x) >= 2.0**-3), x, 0.0)
    matrix = FloatMatrix(device("lut"), weights)
    y = matrix.matmul(x.astype(NUMBER_TYPES["e4m3"]), format="e4m3")
    assert np.array_equal(y, np.array([[float(v) for v in r] for r in exact(x, weights)], "f4"))


@pytest.mark.parametrize("pe", SHAPES)
def test_unsigned_integers_are_exact(pe):
    rng = np.random.default_rng(2)
    weights = weights_of(rng, 7, 50, scaled=False)
    x = rng.integers(0, 256, (3, 50)).astype(np.uint8)
    y = FloatMatrix(device(pe, 8), weights).matmul(x, format="uint8")
    assert np.array_equal(y, (x.astype(np.int64) @ weights.integers().T).astype(np.float32))


@pytest.mark.parametrize("pe", SHAPES)
@pytest.mark.parametrize("format", BIPOLAR)
def test_bipolar_integers_are_exact(pe, format):
    rng = np.random.default_rng(3)
    weights = weights_of(rng, 7, 50, scaled=False)
    x = 2 * rng.integers(0, 1 << BIPOLAR[format], (3, 50)) + 1 - (1 << BIPOLAR[format])
    y = FloatMatrix(device(pe, 8), weights).matmul(x, format=format)
    assert np.array_equal(y, (x @ weights.integers().T).astype(np.float32))


def test_bipolar_on_xnor_hardware_costs_planes_times_planes():
    """w2 (bipolar) times bipolar activations on the compiled array, every width."""
    config = Config(
        name="xnor", pe="bitserial", popcount="xnor", lanes=4, tables=2, lookup_group=4, axi_bits=32
    )
    rng, busy = np.random.default_rng(4), {}
    every = np.arange(256)[:, None] >> np.arange(8) & 1  # all operands of one K block
    codes = rng.integers(0, 4, (9, 70)).astype(np.uint8)
    weights = from_bipolar(codes, 2)
    with Accelerator.open("sim", config=config, memory_bytes=1 << 22) as on:
        matrix = FloatMatrix(on, weights)
        for format, bits in BIPOLAR.items():
            top = (1 << bits) - 1
            x = 2 * rng.integers(0, 1 << bits, (2, 70)) - top
            wanted = x @ (2 * codes.astype(np.int64) - 3).T
            assert np.array_equal(matrix.matmul(x, format=format), wanted.astype(np.float32))
            busy[bits] = on.counters["array_busy"]
        single = FloatMatrix(on, from_bipolar(every.astype(np.uint8), 1))
        signs = 2 * every - 1
        assert np.array_equal(single.matmul(signs, format="bipolar1"), signs @ signs.T)
    assert [busy[bits] // busy[1] for bits in busy] == list(busy)


def test_what_a_device_lacks_is_said():
    weights = QuantizedMatrix.from_codes(np.ones((2, 8), np.uint8), 2)
    with Accelerator.open("golden", config="tiny") as plain:
        matrix = FloatMatrix(plain, weights)
        assert matrix.shape == (2, 8)
        with pytest.raises(UnsupportedFormatError, match="'tiny' has none"):
            matrix.matmul(np.ones((1, 8)), format="bf16")
        with pytest.raises(UnsupportedFormatError, match="at least 16; configuration 'tiny' has 8"):
            matrix.matmul(np.ones((1, 8)), format="int16")
        assert matrix.matmul(np.ones((1, 8)), format="int8").shape == (1, 2)
