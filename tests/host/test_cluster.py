"""Products of several accelerators are those of one, and take their share of its cycles."""

import numpy as np
import pytest

from lutra.host.accelerator import Accelerator
from lutra.host.cluster import Cluster
from lutra.host.errors import DtypeError, LutraError, RangeError
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.host.split import split_matrix
from lutra.hw.config import Config

from ..products import SHAPES, random_product

RNG = np.random.default_rng(5)


def codes_of(n: int, k: int, bits: int = 2) -> np.ndarray:
    return RNG.integers(0, 1 << bits, (n, k), dtype=np.uint8)


@pytest.mark.parametrize("axis", ["outputs", "inputs"])
@pytest.mark.parametrize("name", ["default", "odd", "serial", "trits", "mac3"])
def test_products_are_exact(name: str, axis):
    config = SHAPES[name]
    rng = np.random.default_rng(3)
    with Cluster.open(3, device="golden", config=config) as cluster:
        for _ in range(6):
            product = random_product(rng, config, most=250)
            weights = cluster.load(product.weights, axis=axis)
            y = cluster.matmul(product.x, weights, act_bits=product.act_bits)
            np.testing.assert_array_equal(y, product.expected())
            weights.free()


@pytest.mark.parametrize("axis", ["outputs", "inputs"])
def test_results_are_those_of_one_accelerator(axis):
    scales = RNG.normal(size=40).astype(np.float32)
    weights = QuantizedMatrix.from_codes(codes_of(40, 100), 2, row_scales=scales)
    x = RNG.integers(-128, 128, (3, 100)).astype(np.int8)
    with (
        Cluster.open(2, device="golden", config="tiny") as cluster,
        Accelerator.open("golden", config="tiny") as one,
    ):
        expected = one.matmul(x, one.load(weights))
        y = cluster.matmul(x, cluster.load(weights, axis=axis))
        assert y.dtype == expected.dtype == np.float32
        np.testing.assert_array_equal(y, expected)


def test_exponents_go_with_their_inputs():
    config = Config(lanes=8, tables=2, axi_bits=64, act_exponent_bits=2)
    zeros = RNG.integers(0, 4, (9, 5))
    for options in ({}, {"group_size": 20, "zero_points": zeros}):
        weights = QuantizedMatrix.from_codes(codes_of(9, 100), 2, **options)
        x = RNG.integers(-128, 128, (2, 100)).astype(np.int8)
        with (
            Cluster.open(2, device="golden", config=config) as cluster,
            Accelerator.open("golden", config=config) as one,
        ):
            loaded = one.load(weights)
            exponents = RNG.integers(0, 4, (2, loaded.layout.k_blocks))
            expected = one.matmul(x, loaded, exponents=exponents)
            y = cluster.matmul(x, cluster.load(weights, axis="inputs"), exponents=exponents)
            np.testing.assert_array_equal(y, expected)


def test_parts_are_even_and_whole():
    config = Config()
    weights = QuantizedMatrix.from_codes(codes_of(100, 300), 2)
    parts = split_matrix(weights, 3, config, axis="outputs")
    assert [part.weights.rows for part in parts] == [32, 32, 36]
    parts = split_matrix(weights, 3, config, axis="inputs")
    assert [part.weights.shape[1] for part in parts] == [96, 96, 108]
    assert len(split_matrix(weights, 99, config, axis="outputs")) == 7
    np.testing.assert_array_equal(
        np.concatenate([part.weights.codes for part in parts], axis=1), weights.codes
    )


def test_few_outputs_are_split_by_inputs():
    with Cluster.open(2, device="golden", config="w2a8") as cluster:
        assert cluster.load(QuantizedMatrix.from_codes(codes_of(16, 2048), 2)).axis == "inputs"
        assert cluster.load(QuantizedMatrix.from_codes(codes_of(512, 64), 2)).axis == "outputs"


@pytest.mark.parametrize("axis", ["outputs", "inputs"])
def test_two_accelerators_take_half_the_cycles(axis):
    """On the compiled hardware, concurrently; 1x4096x4096 is measured by `lutra bench cycles`."""
    weights = QuantizedMatrix.from_codes(codes_of(2048, 2048), 2)
    x = RNG.integers(-128, 128, (1, 2048)).astype(np.int8)
    with (
        Cluster.open(2, config="w2a8") as cluster,
        Accelerator.open("sim", config="w2a8") as one,
    ):
        expected = one.matmul(x, one.load(weights))
        y = cluster.matmul(x, cluster.load(weights, axis=axis))
        np.testing.assert_array_equal(y, expected)
        assert len(cluster.each) == 2
        assert cluster.counters["cycles"] == max(c["cycles"] for c in cluster.each)
        assert cluster.counters["array_busy"] == one.counters["array_busy"]
        assert one.counters["cycles"] / cluster.counters["cycles"] > 1.9


def test_wrong_use_is_named():
    with pytest.raises(RangeError, match="at least one"):
        Cluster([])
    with pytest.raises(RangeError, match="one configuration"):
        Cluster([Accelerator.open("golden", config=c) for c in ("tiny", "w2a8")])
    with pytest.raises(RangeError, match="axis must be"):
        split_matrix(QuantizedMatrix.from_codes(codes_of(3, 3), 2), 2, Config(), axis="rows")  # pyright: ignore[reportArgumentType]
    with pytest.raises(RangeError, match="parts must be at least 1"):
        split_matrix(QuantizedMatrix.from_codes(codes_of(3, 3), 2), 0, Config(), axis="inputs")
    with Cluster.open(2, device="golden", config="tiny") as cluster:
        weights = cluster.load(QuantizedMatrix.from_codes(codes_of(20, 40), 2), axis="inputs")
        with pytest.raises(LutraError, match="from load"):
            cluster.matmul(np.zeros((1, 40), np.int8), weights.loaded[0])  # pyright: ignore[reportArgumentType]
        with pytest.raises(LutraError, match=r"shape \[M, 40\], not \(1, 39\)"):
            cluster.matmul(np.zeros((1, 39), np.int8), weights)
        with pytest.raises(DtypeError):
            cluster.matmul(np.zeros((1, 40)), weights)
        y = cluster.matmul(np.zeros((1, 40), np.int8), weights)
        assert not y.any()
