"""Random products of all kinds, for any device: the same cases run in NumPy and on the RTL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lutra.host.accelerator import Accelerator
from lutra.host.quantized_matrix import QuantizedMatrix
from lutra.hw.config import Config
from lutra.sim.golden import golden_product

__all__ = ["SHAPES", "Product", "check_product", "random_product"]

#: Array shapes that differ in everything: extents, group, buses, buffers that are far too small.
SHAPES: dict[str, Config] = {
    config.name: config
    for config in (
        Config(name="default"),
        Config(name="published", rows=2, lanes=64, tables=1, axi_bits=256, act_depth=1024),
        Config(name="group3", rows=3, lanes=12, tables=5, lookup_group=3, axi_bits=64),
        Config(name="group5", rows=1, lanes=8, tables=3, lookup_group=5, axi_bits=32,
               weight_depth=64, act_depth=32, psum_depth=32, scale_depth=32),
        Config(name="odd", rows=2, lanes=7, tables=6, lookup_group=2, axi_bits=64,
               weight_depth=128, act_depth=64, psum_depth=64, scale_depth=32),
        Config(name="narrow", rows=4, lanes=32, tables=2, lookup_group=2, act_bits=4,
               max_weight_bits=4, scale_bits=4, psum_bits=24, axi_bits=128, psum_depth=128),
        Config(name="wide", lanes=4, tables=4, act_bits=16, psum_bits=40, axi_bits=32,
               weight_depth=256, act_depth=64, psum_depth=16, scale_depth=16),
        Config(name="no_scales", rows=1, lanes=16, tables=4, scale_bits=0, psum_bits=24,
               axi_bits=128, weight_depth=128, psum_depth=64),
        Config(name="six", rows=1, lanes=3, tables=7, lookup_group=6, axi_bits=64, psum_bits=31,
               weight_depth=64, act_depth=16, psum_depth=16, scale_depth=16),
        Config(name="ecp5", device="ecp5", table_storage="lutram", table_banks=1,
               table_feed="stream", feed_rows=1, tree_pipeline=1, rows=2, lanes=3, tables=6,
               lookup_group=5, axi_bits=32, weight_depth=64, act_depth=64, psum_depth=64,
               scale_depth=64),
        Config(name="ecp5_trits", pe="lut3", device="ecp5", table_storage="lutram", table_banks=1,
               table_feed="stream", tree_pipeline=2, rows=2, lanes=3, tables=4, lookup_group=3,
               axi_bits=32, max_shift=1, scale_bits=0, group_zeros=0, weight_depth=64,
               act_depth=32, psum_depth=32, scale_depth=32),
        Config(name="ecp5_banks", device="ecp5", table_storage="lutram", rows=3, lanes=3, tables=3,
               axi_bits=32, weight_depth=64, act_depth=32, psum_depth=32, scale_depth=32),
        Config(name="xc7", device="xc7", table_storage="lutram", table_banks=1, table_form="full",
               table_feed="stream", tree_pipeline=1, rows=3, lanes=4, tables=4, lookup_group=5,
               axi_bits=32, weight_depth=64, act_depth=64, psum_depth=64, scale_depth=64),
        Config(name="xc7_trits", pe="lut3", device="xc7", table_storage="lutram", table_banks=1,
               table_form="full", table_feed="stream", tree_pipeline=1, rows=2, lanes=3, tables=6,
               lookup_group=3, axi_bits=32, weight_bits=1, max_weight_bits=1, max_shift=1,
               scale_bits=0, group_zeros=0, weight_depth=64, act_depth=32, psum_depth=32,
               scale_depth=32),  # a single plane a weight
        Config(name="serial", pe="bitserial", rows=2, lanes=8, tables=4, lookup_group=4,
               axi_bits=128, weight_depth=128, act_depth=64, psum_depth=64, scale_depth=64),
        Config(name="serial_odd", pe="bitserial", lanes=5, tables=13, lookup_group=1, act_bits=5,
               axi_bits=64, weight_depth=64, act_depth=16, psum_depth=16, scale_depth=16),
        Config(name="trits", pe="lut3", lookup_group=3, tables=5, lanes=13, rows=2, axi_bits=128,
               weight_depth=128, act_depth=64, psum_depth=64, scale_depth=64),
        Config(name="adds", pe="add", lanes=6, tables=3, lookup_group=5, axi_bits=64,
               weight_depth=64, act_depth=32, psum_depth=32, scale_depth=32),
        Config(name="mac3", pe="mac", device="ecp5", weight_bits=3, lanes=4, tables=4, rows=2,
               lookup_group=4, axi_bits=128, weight_depth=64, psum_depth=64),
        Config(name="shiftadd4", pe="shiftadd", weight_bits=4, max_shift=4, lanes=8, tables=4,
               lookup_group=2, axi_bits=64, weight_depth=64, psum_depth=64),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product: activations, weights, and the options of `Accelerator.matmul`."""

    x: np.ndarray
    weights: QuantizedMatrix
    act_bits: int | None = None

    def expected(self) -> np.ndarray:
        """The exact integer result, computed without any of the host's code."""
        w = self.weights
        zeros = w.zero_points
        if w.bits == 1 and not w.halve:
            zeros = None
        return golden_product(
            self.x,
            w.codes,
            w.bits,
            group_size=w.group_size,
            zero_points=zeros,
            group_scales=w.group_scales,
        )

    def __str__(self) -> str:
        w = self.weights
        n, k = w.shape
        kind = [f"w{w.bits}"]
        if isinstance(w.zero_points, np.ndarray):
            kind.append("zeros")
        if w.group_scales is not None:
            kind.append("scales")
        if w.group_size is not None:
            kind.append(f"g{w.group_size}")
        return f"{len(self.x)}x{n}x{k} {' '.join(kind)}"


def random_product(
    rng: np.random.Generator,
    config: Config,
    *,
    most_rows: int = 9,
    most: int = 700,
) -> Product:
    """A product that `config` can run: M to `most_rows`, N and K to `most`, everything ragged.

    Small sizes are as likely as large ones, and one case in four has extreme values: every
    activation and weight at an end of its range, which is what drives accumulators to theirs.
    """
    m = int(rng.integers(1, most_rows + 1))
    n, k = (int(most ** rng.random()) if rng.random() < 0.6 else int(rng.integers(1, most + 1))
            for _ in range(2))  # fmt: skip
    bits = int(rng.integers(1, config.max_weight_bits + 1))
    extreme = rng.random() < 0.25
    act_bits = None
    if config.pe == "bitserial" and rng.random() < 0.7:
        act_bits = int(rng.integers(1, config.act_bits + 1))

    x = _values(rng, (m, k), act_bits or config.act_bits, extreme)
    top = (1 << bits) - 1
    codes = rng.integers(0, top + 1, (n, k), dtype=np.uint8)
    if extreme:
        codes = rng.choice(np.array([0, top], np.uint8), (n, k))
        if rng.random() < 0.5:
            codes = np.full((n, k), rng.choice([0, top]), np.uint8)

    size = None
    if rng.random() < 0.6:
        size = int(rng.choice([8, 16, 32, 33, 64, 128, int(rng.integers(1, k + 1))]))
    groups = 1 if size is None else -(-k // min(size, k))
    zeros = scales = None
    kind = rng.random()
    if kind < 0.4 and config.group_zeros:
        zeros = rng.integers(0, top + 1, (n, groups))
        if extreme:
            zeros = rng.choice([0, top], (n, groups))
    elif kind < 0.5:
        zeros = np.full((n, groups), rng.integers(0, top + 1))
    if config.scale_bits and rng.random() < 0.5:
        largest = (1 << config.scale_bits) - 1
        scales = rng.integers(0, largest + 1, (n, groups))
        if extreme:
            scales = np.full((n, groups), largest)
    weights = QuantizedMatrix.from_codes(
        codes, bits, group_size=size, zero_points=zeros, group_scales=scales
    )
    return Product(x=x, weights=weights, act_bits=act_bits)


def check_product(device: Accelerator, product: Product) -> None:
    """Run a product and compare every element and the result's type."""
    weights = device.load(product.weights)
    try:
        result = device.matmul(product.x, weights, act_bits=product.act_bits)
    finally:
        weights.free()
    expected = product.expected()
    assert result.dtype in (np.int32, np.int64)
    assert np.array_equal(result, expected), f"{product} on {device.config.name}"


def _values(
    rng: np.random.Generator, shape: tuple[int, int], bits: int, extreme: bool
) -> np.ndarray:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    dtype = np.int8 if bits <= 8 else np.int16
    if not extreme:
        return rng.integers(low, high + 1, shape).astype(dtype)
    if rng.random() < 0.5:
        return np.full(shape, low, dtype)
    return rng.choice([low, high], shape).astype(dtype)
