"""NF4 and other real code books: the nearest integers, and the error that is documented."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants

from lutra.host.errors import RangeError, ShapeError
from lutra.host.formats.codebook import from_codebook
from lutra.host.formats.codebook16 import IQ4_NL, NF4, fit_codebook, from_codebook16, from_nf4
from lutra.host.formats.encoded import real_weights

from .golden_check import acts, check_product, device

#: Root mean square error over the entries, in units of the largest: docs/formats/codebooks.md.
NF4_RMS = {2: 0.1873, 3: 0.0859, 4: 0.0320, 5: 0.0170, 6: 0.0078, 7: 0.0039, 8: 0.0018}


def quantiles() -> np.ndarray:
    """NF4 by its definition: quantiles of the normal distribution, eight above 0, seven below."""
    from statistics import NormalDist

    offset = 0.9677083
    positive = [NormalDist().inv_cdf(p) for p in np.linspace(offset, 0.5, 9)[:-1]]
    negative = [-NormalDist().inv_cdf(p) for p in np.linspace(offset, 0.5, 8)[:-1]]
    values = np.sort(np.array([*positive, 0.0, *negative]))
    return values / np.abs(values).max()


def test_nf4_is_its_definition():
    assert np.abs(quantiles() - NF4).max() < 1e-6


@pytest.mark.parametrize("planes", NF4_RMS)
def test_nf4_error_is_the_documented_one(planes):
    fit = fit_codebook(NF4, planes)
    assert fit.planes.bits <= planes
    assert fit.levels[7] == 0
    assert fit.rms_error <= NF4_RMS[planes]
    assert set(fit.levels) <= set(fit.planes.values.tolist())


@pytest.mark.parametrize("planes", [3, 4])
def test_no_list_of_planes_is_nearer(planes):
    # Every multiset of places to 2**6, every place of the zero, a grid of scales.
    book, best = np.array(NF4), np.inf
    for exponents in combinations_with_replacement(range(7), planes - 1):
        sums = {0}
        for exponent in (0, *exponents):
            sums |= {value + (1 << exponent) for value in sums}
        for zero in sums:
            levels = np.array(sorted(sums)) - zero
            if levels[0] == 0 or levels[-1] == 0:
                continue
            ends = 1 / levels[-1], -1 / levels[0]
            scales = np.linspace(min(ends) * 0.9, max(ends) * 1.1, 60)[:, None]
            middles = (levels[1:] + levels[:-1]) / 2
            nearest = levels[np.searchsorted(middles, book / scales)]
            power = (nearest**2).sum(1)
            nearest, power = nearest[power > 0], power[power > 0]
            refined = (nearest @ book / power)[:, None]
            best = min(best, float(((refined * nearest - book) ** 2).sum(1).min()))
    assert fit_codebook(NF4, planes).rms_error <= np.sqrt(best / 16) * (1 + 1e-9)


@pytest.mark.parametrize(("planes", "bound"), [(4, 0.075), (6, 0.02), (8, 0.006)])
def test_nf4_weights(planes, bound):
    rng = np.random.default_rng(planes)
    codes = rng.integers(0, 16, (24, 200), dtype=np.uint8)
    scales = rng.uniform(0.5, 1, (24, 4))
    encoded = from_nf4(codes, scales, planes=planes)
    golden = np.array(NF4)[codes] * np.repeat(scales, 64, axis=1)[:, :200]
    wrong = np.abs(real_weights(encoded.matrix) - golden).max() / np.abs(golden).max()
    assert wrong == pytest.approx(encoded.max_error)
    assert encoded.max_error <= bound
    check_product(encoded.matrix, real_weights(encoded.matrix), device())
    x = acts(0, 3, 200)
    y = device().matmul(x, device().load(encoded.matrix))
    size = np.abs(x).astype(float) @ np.ones((200, 24)) * np.abs(golden).max()
    assert (np.abs(y - x @ golden.T) <= encoded.max_error * size + 1e-3).all()


def test_iq4_nl_equals_gguf():
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (9, 2 + 16), dtype=np.uint8)
    blocks[:, :2] = np.frombuffer(np.float16(0.5).tobytes(), np.uint8)
    golden = quants.dequantize(blocks, GGMLQuantizationType.IQ4_NL).astype(np.float64)
    codes = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    matrix = from_codebook(codes, IQ4_NL, row_scales=np.full(9, 0.5, np.float32))
    assert len(matrix.planes) == 8
    check_product(matrix, golden, device())


def test_errors():
    codes, scales = np.zeros((2, 70), np.uint8), np.ones((2, 2))
    with pytest.raises(RangeError, match="planes must be from 2 to 8, not 1"):
        fit_codebook(NF4, 1)
    with pytest.raises(RangeError, match="not 0"):
        fit_codebook((0.0,), 4)
    with pytest.raises(RangeError, match="codes must be below 16, not 16"):
        from_nf4(codes + np.uint8(16), scales)
    with pytest.raises(ShapeError, match=r"shape \[N, 2\]"):
        from_nf4(codes, scales[:, :1])
    with pytest.raises(ShapeError, match="scales must have 2 rows, not 1"):
        from_codebook16(codes, NF4, scales[:1], group_size=64)
