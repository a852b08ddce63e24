"""Binary-coded weights: planes with scales of their own, fitted and encoded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutra.host.errors import DtypeError, RangeError, ShapeError
from lutra.host.formats.binary_coded import BinaryCoded, encode_binary
from lutra.host.formats.binary_fit import fit_binary
from lutra.host.formats.encoded import real_weights

from .golden_check import acts, device


def run(matrix, x: np.ndarray, pe: str = "lut") -> np.ndarray:
    loaded = matrix.load(device(pe, "bcq2"))
    try:
        return loaded.matmul(x)
    finally:
        loaded.free()


def random_coded(rng, q, n, k, size, exponents=None) -> BinaryCoded:
    groups = 1 if size is None else -(-k // min(size, k))
    bits = rng.integers(0, 2, (q, n, k), dtype=np.uint8)
    if exponents is None:
        scales = 2.0 ** rng.integers(-3, 4, (q, n, groups))
    else:
        own = 2.0 ** rng.integers(-3, 4, (n, groups))
        scales = own * 2.0 ** np.array(exponents)[:, None, None]
    return BinaryCoded(bits=bits, scales=scales, group_size=size)


@given(st.integers(1, 4), st.integers(1, 20), st.integers(1, 150),
       st.sampled_from([None, 32, 50]), st.sampled_from(["lut", "bitserial", "add", "lut3"]),
       st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=40)
def test_powers_of_two_are_exact(q, n, k, size, pe, seed):
    rng = np.random.default_rng(seed)
    coded = random_coded(rng, q, n, k, size)
    encoded = encode_binary(coded)
    assert encoded.exact
    golden = coded.dequantize()
    assert np.array_equal(real_weights(encoded.matrix), golden)
    x = acts(seed, 2, k)
    assert np.array_equal(run(encoded.matrix, x, pe), (x @ golden.T).astype(np.float32))


def test_common_ratios_are_one_list_of_planes():
    rng = np.random.default_rng(0)
    coded = random_coded(rng, 3, 9, 100, 32, exponents=(4, 2, 0))
    encoded = encode_binary(coded)
    part = encoded.matrix.parts[0]
    assert encoded.exact
    assert part.columns is None
    assert [plane.exponent for plane in part.matrix.planes] == [4, 2, 0]
    x = acts(0, 2, 100)
    assert np.array_equal(run(encoded.matrix, x), (x @ coded.dequantize().T).astype(np.float32))


def test_offsets_are_a_plane_more():
    rng = np.random.default_rng(1)
    coded = random_coded(rng, 2, 7, 90, 32)
    coded = BinaryCoded(bits=coded.bits, scales=coded.scales, group_size=32,
                        offsets=rng.integers(-16, 17, (7, 3)) / 4)  # fmt: skip
    encoded = encode_binary(coded)
    assert encoded.exact
    assert encoded.matrix.parts[0].matrix.shape == (7, 3 * 96)
    x = acts(1, 2, 90)
    assert np.array_equal(run(encoded.matrix, x), (x @ coded.dequantize().T).astype(np.float32))


@pytest.mark.parametrize("planes", [1, 2, 3])
def test_real_scales_are_near(planes):
    w = np.random.default_rng(2).standard_normal((24, 300)).astype(np.float32)
    coded = fit_binary(w, planes, group_size=64)
    for bits, bound in ((8, 4e-3), (16, 2e-5)):
        assert encode_binary(coded, scale_bits=bits).max_error < bound
    encoded = encode_binary(coded)
    x = acts(2, 3, 300)
    golden = x @ real_weights(encoded.matrix).T
    assert np.allclose(run(encoded.matrix, x), golden, rtol=1e-5, atol=1e-3)


def test_fit_improves_round_by_round():
    w = np.random.default_rng(3).standard_normal((16, 256)).astype(np.float32)

    def error(**options) -> float:
        coded = fit_binary(w, group_size=64, **options)
        assert (np.diff(coded.scales, axis=0) <= 0).all()
        return float(((coded.dequantize() - w) ** 2).sum() / (w**2).sum())

    by_planes = [error(planes=q) for q in (1, 2, 3, 4)]
    assert by_planes == sorted(by_planes, reverse=True)
    assert by_planes[0] == pytest.approx(1 - 2 / np.pi, abs=0.03)  # one bit of a normal variable
    assert by_planes[1] == pytest.approx(0.1175, abs=0.02)  # Lloyd-Max, four levels
    for q in (2, 3):
        rounds = [error(planes=q, rounds=r) for r in (0, 1, 4, 15)]
        assert rounds == sorted(rounds, reverse=True)
        assert error(planes=q, powers_of_two=True) < 1.5 * rounds[-1]
    powers = fit_binary(w, 3, group_size=64, powers_of_two=True).scales
    assert (np.frexp(powers[powers > 0])[0] == 0.5).all()


def test_fit_finds_codes_that_exist():
    rng = np.random.default_rng(4)
    coded = random_coded(rng, 2, 5, 64, None, exponents=(2, 0))
    found = fit_binary(coded.dequantize(), 2)
    assert np.allclose(found.dequantize(), coded.dequantize(), rtol=1e-6)


def test_errors():
    bits, scales = np.zeros((2, 3, 40), np.uint8), np.ones((2, 3, 1))
    with pytest.raises(DtypeError, match="bits must be uint8"):
        BinaryCoded(bits=bits.astype(int), scales=scales)
    with pytest.raises(ShapeError, match="bits must have shape"):
        BinaryCoded(bits=bits[0], scales=scales)
    with pytest.raises(RangeError, match="bits must be 0 or 1, not 2"):
        BinaryCoded(bits=bits + np.uint8(2), scales=scales)
    with pytest.raises(ShapeError, match=r"scales must have shape \(2, 3, 2\)"):
        BinaryCoded(bits=bits, scales=scales, group_size=32)
    with pytest.raises(RangeError, match="not negative"):
        BinaryCoded(bits=bits, scales=-scales)
    with pytest.raises(ShapeError, match=r"offsets must have shape \(3, 1\)"):
        BinaryCoded(bits=bits, scales=scales, offsets=np.ones((1, 1)))
    w = np.ones((2, 2))
    for wrong, error, text in (
        ((w.astype(int), 2), DtypeError, "float"),
        ((w[0], 2), ShapeError, "shape"),
        ((w * np.inf, 2), RangeError, "finite"),
        ((w, 9), RangeError, "planes must be from 1 to 8, not 9"),
    ):
        with pytest.raises(error, match=text):
            fit_binary(*wrong)
    with pytest.raises(RangeError, match="group_size must be at least 1"):
        fit_binary(w, 2, group_size=0)
