"""Products that follow one another on the device, against the same arithmetic in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutra.gen.config_names import load_config
from lutra.host import Accelerator, QuantizedMatrix
from lutra.host.chained_products import ChainedProducts, Requantisation
from lutra.host.errors import RangeError, UnsupportedFormatError
from lutra.hw.requantise import requantise

WIDE = load_config("w2a8")


def matrix(n: int, k: int, seed: int, bits: int = 2) -> QuantizedMatrix:
    rng = np.random.default_rng(seed)
    return QuantizedMatrix.from_codes(rng.integers(0, 1 << bits, (n, k)).astype(np.uint8), bits)


def expected(
    x: np.ndarray, matrices: list[QuantizedMatrix], links: list[Requantisation]
) -> np.ndarray:
    acts = x.astype(np.int64)
    for weights, link in zip(matrices, links, strict=False):
        psums = acts @ weights.integers().T
        acts = requantise(psums, multiplier=link.multiplier, shift=link.shift, act_bits=8)
    return acts @ matrices[-1].integers().T


@pytest.mark.parametrize("device", ["golden", "sim"])
def test_chain_of_three_is_exact(device: str) -> None:
    shapes = [(128, 100), (64, 128), (70, 64)]
    matrices = [matrix(n, k, i) for i, (n, k) in enumerate(shapes)]
    links = [Requantisation.of(0.031), Requantisation.of(0.02)]
    rng = np.random.default_rng(9)
    with Accelerator.open(device, config=WIDE) as accelerator:
        chain = ChainedProducts(accelerator, [accelerator.load(m) for m in matrices], links)
        for m in (1, 7):
            x = rng.integers(-128, 128, (m, 100)).astype(np.int8)
            np.testing.assert_array_equal(chain.matmul(x), expected(x, matrices, links))
        assert chain.counters["cycles"] > 0
        alone = accelerator.matmul(x, accelerator.load(matrices[0]))
        np.testing.assert_array_equal(alone, x.astype(np.int64) @ matrices[0].integers().T)


def test_several_rows_of_an_array_of_two() -> None:
    config = load_config("lut_tensor_core")
    matrices = [matrix(64, 50, 0), matrix(9, 64, 1)]
    links = [Requantisation.of(0.05)]
    x = np.random.default_rng(1).integers(-128, 128, (5, 50)).astype(np.int8)
    with Accelerator.open("golden", config=config) as accelerator:
        chain = ChainedProducts(accelerator, [accelerator.load(m) for m in matrices], links)
        np.testing.assert_array_equal(chain.matmul(x), expected(x, matrices, links))


@given(factor=st.floats(2.0**-60, 60000))
def test_requantisation_is_near_its_factor(factor: float) -> None:
    link = Requantisation.of(factor)
    assert link.multiplier / 2.0**link.shift == pytest.approx(factor, rel=2.0**-15)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("inf"), float("nan"), 1e6, 2.0**-70])
def test_factors_beyond_reach_are_refused(factor: float) -> None:
    with pytest.raises(RangeError, match="factor"):
        Requantisation.of(factor)


@pytest.mark.parametrize(
    ("shapes", "match"),
    [
        ([(128, 32), (16, 64)], "has 64 inputs, not 128"),
        ([(100, 32), (16, 100)], "do not fill blocks"),
    ],
)
def test_what_cannot_be_chained_says_why(shapes: list[tuple[int, int]], match: str) -> None:
    with Accelerator.open("golden", config=WIDE) as accelerator:
        loaded = [accelerator.load(matrix(n, k, 0)) for n, k in shapes]
        with pytest.raises(UnsupportedFormatError, match=match):
            ChainedProducts(accelerator, loaded, [Requantisation(1, 4)])


def test_links_must_be_one_fewer() -> None:
    with Accelerator.open("golden", config=WIDE) as accelerator:
        loaded = [accelerator.load(matrix(64, 64, 0))] * 2
        with pytest.raises(RangeError, match="one fewer"):
            ChainedProducts(accelerator, loaded, [])
