"""The generated hardware against golden: random products of every kind on arrays of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from lutra.gen.config_names import load_config
from lutra.host.accelerator import Accelerator

from .products import SHAPES, check_product, random_product

#: Presets that people use, and shapes at which something is odd. 48 products each.
_CONFIGS = {name: load_config(name) for name in ("w2a8", "lut_tensor_core")} | {
    name: SHAPES[name]
    for name in (
        "group5",
        "odd",
        "wide",
        "no_scales",
        "serial",
        "trits",
        "adds",
        "mac3",
        "ecp5",
        "ecp5_trits",
        "ecp5_banks",
        "xc7",
        "xc7_trits",
    )
}
_PRODUCTS = 48


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in _CONFIGS]
)
def test_hardware_equals_golden(name: str) -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    config = _CONFIGS[name]
    with Accelerator.open("sim", config=config, memory_bytes=1 << 27) as device:
        for i in range(_PRODUCTS):
            # A slow and narrow memory now and then: other orders of loads, stores and lookups.
            slow = i % 4 == 3
            device.transport.set_timing(latency=90 if slow else 4, bytes_per_cycle=5 * slow)
            check_product(device, random_product(rng, config, most=250 if slow else 700))


def test_there_are_enough_products() -> None:
    assert _PRODUCTS * len(_CONFIGS) >= 500
    assert len({(c.rows, c.lanes, c.tables, c.lookup_group) for c in _CONFIGS.values()}) >= 4
